import type { Stored } from '../../crd/objects.ts'
import type { Reason } from '../../reasons.ts'
import type { LogFields } from '../../telemetry/log-fields.ts'
import {
  announcedLease,
  countedSince,
  foreignFields,
  foreignMessage,
  heldLease,
  holderOf,
  isForeign,
  isLater,
  isNewer,
  isOutdated,
  isSameRecord,
  type Lease,
  type LeaseTimes,
  standbyOf,
  takeableInMs,
  type Writer,
} from './record.ts'

/** A candidate's knowledge of the lease and its place in the election. */
export interface LeaseState {
  /**
   * The call under way, or the pause before the next one. `reading`: the first read. `rereading`: a write lost a race.
   * `checking`: the watch has been silent for longer than a holder may be. `announcing`: the candidate writes that it stands by.
   */
  readonly phase: 'reading' | 'waiting' | 'writing' | 'rereading' | 'checking' | 'announcing'
  /** As last seen; undefined if there is none, or before the first read. */
  readonly lease: Stored<Lease> | undefined
  /** The first read has succeeded. */
  readonly wasRead: boolean
  /**
   * When the present record was first seen, in epoch milliseconds. Annotations do not count. A candidate that begins counts
   * from the renewal, since the holder may have been dead for long.
   */
  readonly observedAt: number
  readonly leading: boolean
  /** The candidate is able to lead: it has listed everything. */
  readonly ready: boolean
  /** A leader's process did not run for a while, and the lease has not been renewed since. */
  readonly doubted: boolean
  /** Epoch milliseconds; meaningless before the candidate led for the first time. */
  readonly renewedAt: number
  /** The watch reported a change during a call: the next pause is left out. */
  readonly changedMeanwhile: boolean
}

export type LeaseInput =
  | { type: 'begin' }
  | { type: 'ready' }
  /** The process did not run for a while. Answers to calls from before do not count. */
  | { type: 'resumed'; afterMs: number }
  | { type: 'waited' }
  /** Answer to `read`. */
  | { type: 'read'; lease: Stored<Lease> | undefined }
  /** Answers to `write`. */
  | { type: 'written'; lease: Stored<Lease> }
  | { type: 'conflict' }
  /** A call failed. */
  | { type: 'failed'; reason: Reason; message: string }
  /** The watch reported a version of the lease, or its deletion. */
  | { type: 'seen'; lease: Stored<Lease> }
  | { type: 'gone'; uid: string }

/**
 * A call or a pause. At most one, and the last of the effects. Its answer is the next input besides the watch's, unless
 * another one replaces it.
 */
export type LeaseMove = { do: 'read' } | { do: 'write'; lease: Lease } | { do: 'wait'; ms: number }

export type LeaseEffect =
  | { do: 'lead' }
  /**
   * `inOrder`: the candidate was the holder until now, so what it knows is not old. `foreign`: the other one belongs to
   * another installation.
   */
  | { do: 'follow'; inOrder: boolean; foreign: boolean }
  /** Nothing may be sent until `confirm`, or until it follows. */
  | { do: 'doubt' }
  | { do: 'confirm' }
  | { do: 'log'; level: 'info' | 'warn' | 'error'; message: string; fields: LogFields }
  | LeaseMove

/** The candidate and the time of an input, in epoch milliseconds. */
export interface LeaseMoment {
  candidate: { namespace: string; name: string; identity: string; times: LeaseTimes; writer: Writer }
  now: number
}

type Stepped = [LeaseState, LeaseEffect[]]

/** @param options `ready`: see `LeaseState` */
export function initialLeaseState(now: number, { ready }: { ready: boolean }): LeaseState {
  return {
    phase: 'reading',
    lease: undefined,
    wasRead: false,
    observedAt: now,
    leading: false,
    ready,
    doubted: false,
    renewedAt: 0,
    changedMeanwhile: false,
  }
}

/**
 * One transition of the election, without a clock or a socket.
 *
 *     reading                → the lease is free or ours: writing; another holds it: waiting
 *     writing, success       → leading; waiting until the renewal
 *     writing, conflict      → rereading, waiting; another holder: following
 *     waiting as the leader  → writing
 *     waiting as a follower  → writing once the lease is free; announcing if it names no standby; checking if the watch is silent
 *     any call, failure      → waiting, and leading on
 *     a change in the watch  → another holder: following; a follower, or a deleted lease: as after waiting, at once
 *     ready                  → a follower: as after waiting, at once
 *     resumed                → a leader: writing, and in doubt until that succeeds; a follower: reading
 *
 * A lease is free without a holder, or when its holder has not renewed it, or when the holder was deployed earlier. It is not
 * free while the candidate is not ready, and never if it names another installation: a leader that sees such a name follows.
 */
export function stepLease(state: LeaseState, input: LeaseInput, moment: LeaseMoment): Stepped {
  const { times } = moment.candidate
  switch (input.type) {
    case 'begin':
      return call({ ...state, phase: 'reading' }, { do: 'read' })
    case 'ready':
      return onReady({ ...state, ready: true }, moment)
    case 'resumed':
      return onResumed(state, input.afterMs, moment)
    case 'waited':
      return turn(state, moment)
    case 'read':
      return onRead(state, input.lease, moment)
    case 'written':
      return onWritten(state, input.lease, moment)
    case 'conflict':
      return [{ ...state, phase: 'rereading' }, [{ do: 'read' }]]
    case 'failed':
      return andThen([state, [failureLine(state, input, moment)]], next => pause(next, times.retryMs, moment))
    case 'seen':
      return onWatched(state, input.lease, moment)
    case 'gone':
      // A deletion that is reported late concerns a predecessor.
      if (state.lease !== undefined && state.lease.metadata.uid !== input.uid) return [state, []]
      return onWatched(state, undefined, moment)
  }
}

function onReady(state: LeaseState, moment: LeaseMoment): Stepped {
  if (state.leading) return [state, []]
  if (state.phase === 'waiting') return turn(state, moment)
  return [{ ...state, changedMeanwhile: true }, []]
}

function onResumed(state: LeaseState, afterMs: number, moment: LeaseMoment): Stepped {
  if (!state.leading) return call({ ...state, phase: 'reading' }, { do: 'read' })
  const said = log(
    'info',
    'the process did not run for a while, the lease is renewed before anything is sent',
    {
      afterMs: Math.round(afterMs),
    },
  )
  const doubted = { ...state, doubted: true }
  return andThen([doubted, [said, { do: 'doubt' }]], next => turn(next, moment))
}

function onRead(state: LeaseState, lease: Stored<Lease> | undefined, moment: LeaseMoment): Stepped {
  const { retryMs, renewMs } = moment.candidate.times
  // A read is the truth, also if etcd was restored and its versions went back, unless the watch told a change meanwhile.
  const isTruth = !state.changedMeanwhile
  return andThen(observe({ ...state, wasRead: true }, lease, moment, isTruth), seen => {
    const next = state.wasRead ? seen : { ...seen, observedAt: countedSince(seen.lease, moment.now) }
    if (state.phase === 'reading') return turn(next, moment)
    if (state.phase === 'rereading') return pause(next, Math.min(retryMs, renewMs), moment)
    return pause(next, Math.min(retryMs, freeInMs(next, moment)), moment)
  })
}

function onWritten(state: LeaseState, lease: Stored<Lease>, moment: LeaseMoment): Stepped {
  const { identity, times } = moment.candidate
  return andThen(observe(state, lease, moment), next => {
    // The watch was faster than the answer, and reported that another has taken the lease since.
    if (holderOf(next.lease) !== identity) return pause(next, times.retryMs, moment)
    const renewed = { ...next, leading: true, doubted: false, renewedAt: moment.now }
    const confirmed: LeaseEffect[] = next.doubted ? [{ do: 'confirm' }] : []
    const began: LeaseEffect[] = [log('info', 'lease is ours, leading'), { do: 'lead' }]
    return andThen([renewed, next.leading ? confirmed : began], leader =>
      pause(leader, times.renewMs, moment),
    )
  })
}

/** A leader needs no reminder of a version in which it still is the holder: it renews by the clock. */
function onWatched(state: LeaseState, lease: Stored<Lease> | undefined, moment: LeaseMoment): Stepped {
  if (lease !== undefined && !isNewer(lease, state.lease)) return [state, []]
  return andThen(observe(state, lease, moment), next => {
    if (next.leading && lease !== undefined) return [next, []]
    if (next.phase === 'waiting') return turn(next, moment)
    // The watch may report our own write before its answer comes.
    const ownWrite = next.phase === 'writing' && holderOf(lease) === moment.candidate.identity
    return [{ ...next, changedMeanwhile: next.changedMeanwhile || !ownWrite }, []]
  })
}

/** Takes or renews the lease, or waits until it may be taken. */
function turn(state: LeaseState, moment: LeaseMoment): Stepped {
  const { candidate, now } = moment
  const { renewMs, retryMs, durationMs } = candidate.times
  if (!state.wasRead) return call({ ...state, phase: 'reading' }, { do: 'read' })
  if (freeInMs(state, moment) === 0)
    return call(
      { ...state, phase: 'writing' },
      { do: 'write', lease: heldLease({ ...candidate, durationMs }, state.lease, now) },
    )
  if (announces(state, moment) && state.lease !== undefined)
    return call(
      { ...state, phase: 'announcing' },
      { do: 'write', lease: announcedLease(state.lease, candidate.identity) },
    )
  // The watch reports each renewal. A silent watch may have died, or may not be allowed.
  const silentMs = now - state.observedAt
  if (silentMs < renewMs + retryMs) return pause(state, renewMs + retryMs - silentMs, moment)
  return call({ ...state, phase: 'checking' }, { do: 'read' })
}

/** A leader that ends goes on until the standby leads, if it knows of one. */
function announces({ lease, ready, leading }: LeaseState, { candidate }: LeaseMoment): boolean {
  return ready && !leading && !isForeign(lease, candidate.writer) && standbyOf(lease) === undefined
}

/** Milliseconds until the candidate may take the lease, or renew it. */
function freeInMs(state: LeaseState, { candidate, now }: LeaseMoment): number {
  const { lease, leading, ready, observedAt } = state
  if (isForeign(lease, candidate.writer)) return Number.POSITIVE_INFINITY
  if (leading || holderOf(lease) === candidate.identity) return 0
  if (!ready) return Number.POSITIVE_INFINITY
  return isOutdated(lease, candidate.writer) ? 0 : takeableInMs(lease, observedAt, now)
}

function call(state: LeaseState, move: LeaseMove): Stepped {
  return [{ ...state, changedMeanwhile: false }, [move]]
}

function pause(state: LeaseState, ms: number, moment: LeaseMoment): Stepped {
  if (state.changedMeanwhile) return turn({ ...state, changedMeanwhile: false }, moment)
  return [{ ...state, phase: 'waiting' }, [{ do: 'wait', ms }]]
}

/** Notes a version of the lease. A leader follows as soon as it sees another holder, or another owner of the cluster. */
function observe(
  state: LeaseState,
  seen: Stored<Lease> | undefined,
  moment: LeaseMoment,
  isTruth = false,
): Stepped {
  const unchanged = isTruth ? isSame(seen, state.lease) : seen ? !isNewer(seen, state.lease) : !state.lease
  if (unchanged) return [state, []]
  const { candidate, now } = moment
  const observedAt = isSameRecord(seen, state.lease) ? state.observedAt : now
  const next = { ...state, lease: seen, observedAt }
  const refused = isForeign(seen, candidate.writer)
  const said =
    refused && !isForeign(state.lease, candidate.writer)
      ? [log('error', foreignMessage, foreignFields(seen, candidate.writer))]
      : []
  const holder = holderOf(seen)
  const goesOn = !refused && (holder === candidate.identity || holder === '')
  if (!state.leading || goesOn) return [next, said]
  const inOrder = !state.doubted && now - state.renewedAt <= candidate.times.durationMs
  const follow: LeaseEffect = { do: 'follow', inOrder, foreign: refused }
  const lost = lossLine(state, seen, moment)
  return [{ ...next, leading: false, doubted: false }, [...said, ...(refused ? [] : [lost]), follow]]
}

function isSame(one: Stored<Lease> | undefined, other: Stored<Lease> | undefined): boolean {
  return (
    one?.metadata.uid === other?.metadata.uid &&
    one?.metadata.resourceVersion === other?.metadata.resourceVersion
  )
}

function lossLine({ lease }: LeaseState, seen: Lease | undefined, { candidate }: LeaseMoment): LeaseEffect {
  const fields = { holder: holderOf(seen) }
  if (isLater(seen, candidate.writer))
    return log('info', 'lease is taken by what was deployed later, handing over', fields)
  if (lease !== undefined && holderOf(lease) === '')
    return log('info', 'lease was given up and is taken, handing over', fields)
  return log('warn', 'lease is held by another, following', fields)
}

function failureLine(
  { leading, renewedAt }: LeaseState,
  { reason, message }: Extract<LeaseInput, { type: 'failed' }>,
  { candidate, now }: LeaseMoment,
): LeaseEffect {
  const fields = { leading, reason, answer: message }
  if (leading && now - renewedAt > candidate.times.warnAfterMs)
    return log('warn', 'lease could not be renewed, leading on until another holder shows', fields)
  // Without the lease nothing is sent at all.
  if (reason === 'Forbidden') return log('error', 'lease is not allowed to us; check the role', fields)
  return log('info', 'lease could not be reached, trying again', fields)
}

function andThen([state, effects]: Stepped, next: (state: LeaseState) => Stepped): Stepped {
  const [last, more] = next(state)
  return [last, [...effects, ...more]]
}

function log(level: 'info' | 'warn' | 'error', message: string, fields: LogFields = {}): LeaseEffect {
  return { do: 'log', level, message, fields }
}
