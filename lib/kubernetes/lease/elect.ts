import { endTogether, realTimers, sleep } from '../../abort.ts'
import { operatorError } from '../../errors.ts'
import type { Log } from '../../telemetry/log.ts'
import type { LogFields } from '../../telemetry/log-fields.ts'
import { noticeTimeGaps } from '../../time-gap.ts'
import type { KubernetesClient } from '../client/http.ts'
import { watch } from '../watch/watch.ts'
import { type LeaseAccess, leaseAccess } from './access.ts'
import { giveUp } from './give-up.ts'
import {
  forwarderLease,
  type Lease,
  type LeaseTimes,
  leaseKind,
  leaseTimes,
  standbyOf,
  type Writer,
} from './record.ts'
import { initialLeaseState, type LeaseEffect, type LeaseInput, type LeaseMove, stepLease } from './step.ts'

export interface ElectOptions {
  client: KubernetesClient
  namespace: string
  /** Default: the forwarder's. */
  name?: string
  /** Unique among all candidates. A process that is restarted under the same identity goes on holding the lease. */
  identity: string
  writer: Writer
  log: Log
  /** Resolves when the candidate is able to lead. Before, it takes no lease. Default: at once. */
  whenReady?: Promise<void>
  /**
   * @param isCertain whether the lease is held as far as time tells. It is not after the process was stopped or frozen, until
   *   the lease has been renewed. Whoever acts as the leader asks before.
   */
  onLeading(isCertain: () => boolean): void
  /**
   * Another candidate holds the lease, or another installation owns the cluster. At the end of the election it is called
   * only if a successor showed.
   */
  onFollowing(how: { inOrder: boolean; foreign: boolean }): void
  /** The process did not run for a while: what is under way is old. */
  onDoubt?(): void
  /** The lease is held after all. */
  onConfirmed?(): void
  /** Tests shorten them. */
  times?: Partial<LeaseTimes>
  /** Epoch milliseconds. */
  now?: () => number
}

/** Limit of one call. A request on a connection that has died must not cost the lease. */
const callMs = 3_000

/**
 * Stands for a Lease until the signal aborts.
 *
 * Flow: reads the lease; takes it if it is free, or waits until it is. The holder renews it every `renewMs`. A follower
 * learns of renewals from a watch, and reads only if the watch is silent. See `stepLease` for the transitions.
 *
 * Guarantees: `onLeading` and `onFollowing` alternate, beginning with `onLeading`. A follower takes a lease at once that was
 * given up or whose holder was deployed earlier, and the lease of a holder that died after its duration. Remote clocks are
 * compared once, by a candidate that begins (`countedSince`). Afterwards a lease is free once its record has not changed for
 * its duration by the candidate's own clock. When the election ends, for whatever reason, a held lease is given up. A leader
 * whose signal aborts leads on until the standby that the lease names holds it, for `successorMs` at most.
 *
 * Caveats: the lease elects, and does not exclude. A leader goes on while the API server is away, and stops when it sees
 * another holder, since two leaders at once are harmless and none is not.
 *
 * Errors: failed calls are logged and tried again. Rejects only with what a callback threw.
 */
export async function elect(options: ElectOptions, signal: AbortSignal): Promise<void> {
  const { client, namespace, name = forwarderLease } = options
  const access = leaseAccess(client, namespace, name)
  const ended = new AbortController()
  const stop = AbortSignal.any([signal, ended.signal])
  const watchEnded = new AbortController()
  const pump = createPump(options, access, stop)
  let givenUp = false
  async function standAndGiveUp(): Promise<void> {
    try {
      await pump.run()
      givenUp = true
      const released = await release(options, access)
      if (standbyOf(released) !== undefined) await pump.followed(ended.signal)
    } finally {
      watchEnded.abort()
    }
  }
  void options.whenReady?.then(() => stop.aborted || pump.feed({ type: 'ready' }))
  const watching = watch<Lease>(
    client,
    { ...leaseKind, namespace, fieldSelector: `metadata.name=${name}` },
    {
      onObject: lease => pump.feed({ type: 'seen', lease }),
      onGone: ({ metadata }) => pump.feed({ type: 'gone', uid: metadata.uid }),
      onListed: () => {},
    },
    { log: options.log },
    AbortSignal.any([ended.signal, watchEnded.signal]),
  )
  try {
    await endTogether([watching, standAndGiveUp()], ended)
  } finally {
    pump.stop()
    if (!givenUp) await release(options, access)
  }
}

/** A process that did nothing for less than this cannot have lost its lease, even if it was about to renew it. */
function gapLimitMs({ durationMs, renewMs }: LeaseTimes): number {
  return durationMs - 2 * renewMs
}

/** Performs the effects of `stepLease`, one call or pause at a time. */
function createPump(options: ElectOptions, access: LeaseAccess, stop: AbortSignal) {
  const { namespace, name = forwarderLease, identity, writer, now = Date.now } = options
  const candidate = { namespace, name, identity, writer, times: { ...leaseTimes, ...options.times } }
  let state = initialLeaseState(now(), { ready: options.whenReady === undefined })
  let move: LeaseMove | undefined
  /** Aborted when another move takes the place of the one under way. */
  let interrupted = new AbortController()
  /** Aborts when another candidate leads, and is replaced. */
  let follower = new AbortController()
  /** The process did not run for a while after the end of the election, when nothing may confirm the lease any more. */
  let lostTrack = false
  const gaps = noticeTimeGaps({
    limitMs: gapLimitMs(candidate.times),
    clocks: [now, () => performance.now()],
    timers: realTimers,
    onGap(afterMs) {
      if (stop.aborted) lostTrack = true
      else feed({ type: 'resumed', afterMs })
    },
  })
  const isCertain = () => {
    gaps.look()
    return !state.doubted && !lostTrack
  }

  function feed(input: LeaseInput): void {
    const [next, effects] = stepLease(state, input, { candidate, now: now() })
    state = next
    for (const effect of effects) perform(effect)
  }

  function perform(effect: LeaseEffect): void {
    if (effect.do === 'log')
      options.log[effect.level](effect.message, { ...aboutOf(options), ...effect.fields })
    else if (effect.do === 'lead') options.onLeading(isCertain)
    else if (effect.do === 'follow') {
      options.onFollowing(effect)
      follower.abort()
      follower = new AbortController()
    } else if (effect.do === 'doubt') options.onDoubt?.()
    else if (effect.do === 'confirm') options.onConfirmed?.()
    else {
      move = effect
      interrupted.abort()
    }
  }

  async function answerTo(effect: Exclude<LeaseMove, { do: 'wait' }>): Promise<LeaseInput> {
    const limit = AbortSignal.any([stop, interrupted.signal, AbortSignal.timeout(callMs)])
    try {
      if (effect.do === 'read') return { type: 'read', lease: await access.read(limit) }
      const written = await access.write(effect.lease, limit)
      return written === 'conflict' ? { type: 'conflict' } : { type: 'written', lease: written }
    } catch (thrown) {
      const { reason, message } = operatorError(thrown)
      return { type: 'failed', reason, message }
    }
  }

  async function waitFor(ms: number): Promise<LeaseInput> {
    await sleep(ms, AbortSignal.any([stop, interrupted.signal]))
    return { type: 'waited' }
  }

  return {
    feed,
    stop: () => gaps.stop(),
    /** Resolves when another candidate leads, or after `successorMs`. */
    async followed(until: AbortSignal): Promise<void> {
      if (state.leading) await sleep(candidate.times.successorMs, AbortSignal.any([until, follower.signal]))
    },
    async run(): Promise<void> {
      feed({ type: 'begin' })
      while (move !== undefined && !stop.aborted) {
        const current: LeaseMove = move
        move = undefined
        interrupted = new AbortController()
        const answer = current.do === 'wait' ? await waitFor(current.ms) : await answerTo(current)
        if (move === undefined && !stop.aborted) feed(answer)
      }
    },
  }
}

/** @returns the lease without a holder; undefined: it was not held, or could not be given up */
async function release(options: ElectOptions, access: LeaseAccess): Promise<Lease | undefined> {
  const { identity, log, now = Date.now } = options
  const about = aboutOf(options)
  const limit = AbortSignal.timeout(callMs)
  try {
    const released = await giveUp(access, { identity, now }, limit)
    if (released !== undefined) log.info('lease given up', about)
    return released
  } catch (thrown) {
    const { message } = operatorError(thrown)
    log.warn('lease could not be given up, it ends when its time is over', { ...about, answer: message })
    return undefined
  }
}

function aboutOf({ namespace, name = forwarderLease, identity }: ElectOptions): LogFields {
  return { lease: `${namespace}/${name}`, identity }
}
