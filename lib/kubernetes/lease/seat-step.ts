import { annotations } from '../../crd/group.ts'
import type { Stored } from '../../crd/objects.ts'
import type { Reason } from '../../reasons.ts'
import type { LogFields } from '../../telemetry/log-fields.ts'
import {
  foreignFields,
  foreignMessage,
  heldLease,
  holderOf,
  isForeign,
  isOutdated,
  isRunOut,
  type Lease,
  type LeaseTimes,
  releasedLease,
  type Writer,
} from './record.ts'

/** What a read shows: the Lease of each seat, and the one that elects. */
export interface SeenSeats {
  seats: readonly (Stored<Lease> | undefined)[]
  lead: Lease | undefined
}

/** A forwarder's place: `seeking` a seat, `seated`, `leaving` while it works on, or at its `end`. */
export interface SeatState {
  readonly phase: 'seeking' | 'seated' | 'leaving' | 'end'
  /** Index of the seat, once there is one. */
  readonly seat: number | undefined
  /** The Lease of the seat as last seen. */
  readonly lease: Stored<Lease> | undefined
  /** Everything has been listed, so a standby is there. */
  readonly listed: boolean
  /** The call under way gives the seat up. */
  readonly givingUp: boolean
}

export type SeatInput =
  | { type: 'begin' }
  | { type: 'waited' }
  | { type: 'listed' }
  | ({ type: 'read' } & SeenSeats)
  | { type: 'written'; lease: Stored<Lease> }
  | { type: 'conflict' }
  | { type: 'failed'; reason: Reason; message: string }

/** A call or a pause, the last of the effects. Its answer is the next input besides `listed`. */
export type SeatMove =
  | { do: 'read' }
  | { do: 'write'; seat: number; lease: Lease }
  | { do: 'wait'; ms: number }

export type SeatEffect =
  /** The work begins. */
  | { do: 'begin' }
  /** The work ends, if it began, and with it everything. */
  | { do: 'end' }
  | { do: 'log'; level: 'info' | 'warn' | 'error'; message: string; fields: LogFields }
  | SeatMove

export interface SeatMoment {
  candidate: {
    namespace: string
    /** The Leases of the seats. */
    names: readonly string[]
    identity: string
    writer: Writer
    times: LeaseTimes
    /** When it gives its seat up, in epoch milliseconds of the cluster. */
    leaveAt: number
    /** Until when it tries to reach the cluster. */
    seekUntil: number
  }
  /** Epoch milliseconds of the cluster, as the renewals that are compared with it. */
  now: number
}

type Stepped = [SeatState, SeatEffect[]]

export const initialSeatState: SeatState = {
  phase: 'seeking',
  seat: undefined,
  lease: undefined,
  listed: false,
  givingUp: false,
}

/**
 * One transition of a forwarder that takes one of the seats, without a clock or a socket.
 *
 *     seeking → a seat is free, or its holder was deployed earlier: writing, then seated; none: end
 *     seated  → renewing; its time is over: writing it without a holder, then leaving; another has it: leaving
 *     leaving → reading; another has the seat and stands by: end
 *
 * A seat is free if its holder has not renewed it for its duration, by the time of the cluster: a newcomer cannot stay to
 * see whether it is renewed, since its time is billed. If that is mistaken, its holder leaves in order.
 */
export function stepSeat(state: SeatState, input: SeatInput, moment: SeatMoment): Stepped {
  const { times } = moment.candidate
  switch (input.type) {
    case 'begin':
      return [state, [{ do: 'read' }]]
    case 'waited':
      return state.phase === 'seated' ? renew(state, moment) : [state, [{ do: 'read' }]]
    case 'listed':
      return [{ ...state, listed: true }, []]
    case 'read':
      return onRead(state, input, moment)
    case 'written':
      return onWritten({ ...state, lease: input.lease }, moment)
    case 'conflict':
      return [unanswered(state), [{ do: 'read' }]]
    case 'failed': {
      const failed = unanswered(state)
      const { reason, message } = input
      const said = log('info', 'seat could not be reached, trying again', { reason, answer: message })
      const isOver = state.phase === 'seeking' && moment.now >= moment.candidate.seekUntil
      return isOver ? end(failed, [said]) : [failed, [said, { do: 'wait', ms: times.retryMs }]]
    }
  }
}

/** Without an answer a seat that was to be taken is not known to be ours. */
function unanswered(state: SeatState): SeatState {
  return { ...state, givingUp: false, seat: state.phase === 'seeking' ? undefined : state.seat }
}

function onRead(state: SeatState, seen: SeenSeats, moment: SeatMoment): Stepped {
  const { candidate } = moment
  if (state.phase === 'seeking') return seek(state, seen, moment)
  const lease = seen.seats[state.seat ?? 0]
  if (state.phase === 'leaving')
    return isReplaced(lease, moment) ? end(state, []) : waitAsLeaver(state, moment)
  const holder = holderOf(lease)
  if (holder === candidate.identity || holder === '') return renew({ ...state, lease }, moment)
  const said = log('info', 'seat is taken by another forwarder, working on until it stands by', { holder })
  return leave({ ...state, lease }, [said], moment)
}

function seek(state: SeatState, { seats, lead }: SeenSeats, moment: SeatMoment): Stepped {
  const { candidate } = moment
  const refused = isForeign(lead, candidate.writer)
  const own = seats.findIndex(lease => holderOf(lease) === candidate.identity)
  const free = own >= 0 ? own : seats.findIndex(lease => isRunOut(lease, moment.now))
  const seat = free >= 0 ? free : seats.findIndex(lease => isOutdated(lease, candidate.writer))
  if (!refused && seat >= 0) {
    const lease = seats[seat]
    return [{ ...state, seat, lease }, [write(seat, lease, state, moment)]]
  }
  return end(state, refused ? [log('error', foreignMessage, foreignFields(lead, candidate.writer))] : [])
}

function onWritten(state: SeatState, moment: SeatMoment): Stepped {
  if (state.givingUp) return leave({ ...state, givingUp: false }, [], moment)
  const began: SeatEffect[] = state.phase === 'seeking' ? [{ do: 'begin' }] : []
  const { candidate, now } = moment
  const ms = Math.min(candidate.times.renewMs, Math.max(0, candidate.leaveAt - now))
  return [{ ...state, phase: 'seated' }, [...began, { do: 'wait', ms }]]
}

function renew(state: SeatState, moment: SeatMoment): Stepped {
  const { candidate, now } = moment
  const { seat = 0, lease } = state
  if (now < candidate.leaveAt || lease === undefined) return [state, [write(seat, lease, state, moment)]]
  return [{ ...state, givingUp: true }, [{ do: 'write', seat, lease: releasedLease(lease, now) }]]
}

function leave(state: SeatState, said: SeatEffect[], moment: SeatMoment): Stepped {
  const [left, effects] = waitAsLeaver({ ...state, phase: 'leaving' }, moment)
  return [left, [...said, ...effects]]
}

function waitAsLeaver(state: SeatState, { candidate }: SeatMoment): Stepped {
  return [state, [{ do: 'wait', ms: candidate.times.renewMs }]]
}

function write(
  seat: number,
  lease: Stored<Lease> | undefined,
  { listed }: SeatState,
  moment: SeatMoment,
): SeatMove {
  const { candidate, now } = moment
  const { namespace, names, identity, writer, times } = candidate
  const claim = { namespace, name: names[seat] ?? '', identity, durationMs: times.durationMs, writer }
  const held = heldLease(claim, lease, now)
  if (!listed) return { do: 'write', seat, lease: held }
  const metadata = {
    ...held.metadata,
    annotations: { ...held.metadata.annotations, [annotations.standsBy]: 'true' },
  }
  return { do: 'write', seat, lease: { ...held, metadata } }
}

/** Whether another forwarder has the seat and has listed everything. */
function isReplaced(lease: Lease | undefined, { candidate, now }: SeatMoment): boolean {
  const isOthers = holderOf(lease) !== candidate.identity && !isRunOut(lease, now)
  return isOthers && lease?.metadata.annotations?.[annotations.standsBy] === 'true'
}

function end(state: SeatState, said: SeatEffect[]): Stepped {
  return [{ ...state, phase: 'end' }, [...said, { do: 'end' }]]
}

function log(level: 'info' | 'warn' | 'error', message: string, fields: LogFields): SeatEffect {
  return { do: 'log', level, message, fields }
}
