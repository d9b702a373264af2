import { sleep } from '../../abort.ts'
import { operatorError } from '../../errors.ts'
import type { Log } from '../../telemetry/log.ts'
import type { KubernetesClient } from '../client/http.ts'
import { type LeaseAccess, leaseAccess } from './access.ts'
import { giveUp } from './give-up.ts'
import { forwarderLease, type LeaseTimes, leaseTimes, type Writer } from './record.ts'
import {
  initialSeatState,
  type SeatEffect,
  type SeatInput,
  type SeatMove,
  type SeatState,
  stepSeat,
} from './seat-step.ts'

/** Two windows at a time: one leads, the other stands by. */
export const forwarderSeats = [`${forwarderLease}-seat-a`, `${forwarderLease}-seat-b`] as const

export interface SeatOptions {
  client: KubernetesClient
  namespace: string
  /** Unique among all windows. */
  identity: string
  writer: Writer
  log: Log
  /** The time of the cluster, in epoch milliseconds. */
  now: () => number
  /** Milliseconds that the window has from now. */
  remainingMs: number
  /** Tests shorten them. */
  times?: Partial<LeaseTimes & typeof windowTimes>
}

/** Milliseconds. */
export const windowTimes = {
  /**
   * So long before its end a window gives its seat up. The schedule begins the next one within a minute, 15 s are the reserve
   * for the end, and 75 s are left for the start and the lists of the next one (docs/performance.md, "A new window").
   */
  leaveMs: 150_000,
  /** A window that cannot reach the cluster for so long ends. The next one has begun by then. */
  seekMs: 50_000,
}

/** Limit of one call. */
const callMs = 3_000

/** What a seat is for. It runs until its signal. @param onListed is called once it is able to lead */
export type SeatedWork = (signal: AbortSignal, onListed: () => void) => Promise<void>

/**
 * Takes one of the seats and works until the signal aborts, or until a successor stands by; without a free seat it returns
 * at once. See `stepSeat` for the transitions.
 *
 * Guarantees: there is never less than one window beside one that ends in order, if a next one begins in time. A seat that is
 * held when this ends is given up.
 *
 * Errors: failed calls are logged and tried again. Rejects with what the work rejects with.
 */
export async function takeSeat(options: SeatOptions, work: SeatedWork, signal: AbortSignal): Promise<void> {
  const { client, namespace, log } = options
  const seats = forwarderSeats.map(name => leaseAccess(client, namespace, name))
  const lead = leaseAccess(client, namespace, forwarderLease)
  const ended = new AbortController()
  const stop = AbortSignal.any([signal, ended.signal])
  let working: Promise<void> = Promise.resolve()
  const pump = createPump(options, { seats, lead, stop }, effect => {
    if (effect.do === 'log') log[effect.level](effect.message, { ...effect.fields, lease: pump.lease })
    else if (effect.do === 'end') ended.abort()
    // A failure of the work ends the pump, and is thrown below.
    else if (effect.do === 'begin') {
      working = work(stop, pump.listed).finally(() => ended.abort())
      working.catch(() => {})
    }
  })
  try {
    await pump.run()
    await working
  } finally {
    ended.abort()
    await release(options, seats[pump.state.seat ?? -1])
  }
}

type Announced = Extract<SeatEffect, { do: 'log' | 'begin' | 'end' }>

/** Performs the effects of `stepSeat`, one call or pause at a time. */
function createPump(
  options: SeatOptions,
  { seats, lead, stop }: { seats: LeaseAccess[]; lead: LeaseAccess; stop: AbortSignal },
  announce: (effect: Announced) => void,
) {
  const { namespace, identity, writer, now, remainingMs } = options
  const times = { ...leaseTimes, ...windowTimes, ...options.times }
  const started = now()
  const leaveAt = started + remainingMs - times.leaveMs
  const seekUntil = started + times.seekMs
  const candidate = { namespace, names: forwarderSeats, identity, writer, times, leaveAt, seekUntil }
  let state: SeatState = initialSeatState
  let move: SeatMove | undefined
  /** Aborted when a pause is to end early. */
  let pausing = new AbortController()

  function feed(input: SeatInput): void {
    const [next, effects] = stepSeat(state, input, { candidate, now: now() })
    state = next
    for (const effect of effects)
      if (effect.do === 'log' || effect.do === 'begin' || effect.do === 'end') announce(effect)
      else move = effect
  }

  async function answerTo(effect: Exclude<SeatMove, { do: 'wait' }>): Promise<SeatInput> {
    const limit = AbortSignal.any([stop, AbortSignal.timeout(callMs)])
    try {
      if (effect.do === 'write') {
        const written = await seats[effect.seat]?.write(effect.lease, limit)
        return written === undefined || written === 'conflict'
          ? { type: 'conflict' }
          : { type: 'written', lease: written }
      }
      // A window that has a seat needs to know of no other.
      const wanted = seats.map(async (seat, index) =>
        state.seat === undefined || state.seat === index ? seat.read(limit) : undefined,
      )
      const [seen, elected] = await Promise.all([
        Promise.all(wanted),
        state.phase === 'seeking' ? lead.read(limit) : undefined,
      ])
      return { type: 'read', seats: seen, lead: elected }
    } catch (thrown) {
      const { reason, message } = operatorError(thrown)
      return { type: 'failed', reason, message }
    }
  }

  async function pause(ms: number): Promise<SeatInput> {
    pausing = new AbortController()
    await sleep(ms, AbortSignal.any([stop, pausing.signal]))
    return { type: 'waited' }
  }

  return {
    get state() {
      return state
    },
    get lease() {
      return `${namespace}/${forwarderSeats[state.seat ?? -1] ?? forwarderLease}`
    },
    listed() {
      feed({ type: 'listed' })
      pausing.abort()
    },
    async run(): Promise<void> {
      feed({ type: 'begin' })
      while (move !== undefined && !stop.aborted) {
        const current: SeatMove = move
        move = undefined
        const answer = current.do === 'wait' ? await pause(current.ms) : await answerTo(current)
        if (!stop.aborted) feed(answer)
      }
    },
  }
}

/** Gives up a seat that is held. */
async function release({ identity, log, now }: SeatOptions, seat: LeaseAccess | undefined): Promise<void> {
  const limit = AbortSignal.timeout(callMs)
  try {
    if (seat !== undefined) await giveUp(seat, { identity, now }, limit)
  } catch (thrown) {
    log.warn('seat could not be given up, it is free when its time is over', {
      answer: operatorError(thrown).message,
    })
  }
}
