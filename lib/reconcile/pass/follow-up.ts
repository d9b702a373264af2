import type { OperatorError } from '../../errors.ts'
import type { InstanceKey, TimerMessage } from '../../messages.ts'
import { countsAsAttempt, waitsForDate } from '../../reason-rules.ts'
import { alignToRetryGrid, outageBackoffMs, retryBackoffMs } from './backoff.ts'
import { retryCauseOf } from './causes.ts'
import type { Outcome, Pass, PassResult } from './outcome.ts'

/** The messages that have to be sent before the messages of the pass may be acknowledged. */
export interface FollowUp {
  /** One for each uid: only a pass that knows a predecessor's uid closes its row. */
  timers: readonly TimerMessage[]
  deadLetter: { reason: string } | undefined
}

/**
 * Returns the follow-up of a pass, for its instance, for the predecessors that are not cleaned up yet, and for the other
 * instances that have to look again.
 * @param now epoch milliseconds @param random in [0, 1)
 */
export function followUpOfPass(result: PassResult, pass: Pass, now: number, random: number): FollowUp {
  const own = followUpOfName(result, pass, now, random)
  const wakes = result.wakes ?? []
  return { ...own, timers: [...own.timers, ...wakes.map(key => wakeTimer(key, pass, now))] }
}

function followUpOfName(
  { outcome, predecessors }: PassResult,
  pass: Pass,
  now: number,
  random: number,
): FollowUp {
  if (predecessors === undefined) return followUp(outcome, pass, now, random)
  const { uids } = predecessors
  const living = { ...pass, uids: pass.uids.filter(uid => !uids.includes(uid)) }
  const ofLiving = followUp(outcome, living, now, random)
  const ofPredecessors = followUp(predecessors.outcome, { ...pass, uids }, now, random)
  return { ...ofLiving, timers: [...ofLiving.timers, ...ofPredecessors.timers] }
}

/** @param now epoch milliseconds @param random in [0, 1) */
export function followUp(outcome: Outcome, pass: Pass, now: number, random: number): FollowUp {
  switch (outcome.kind) {
    case 'settled':
    case 'stalled':
      return { timers: [], deadLetter: undefined }
    case 'requeue': {
      const due = waitsForDate(outcome.reason)
        ? now + outcome.afterMs
        : alignToRetryGrid(now, outcome.afterMs, pass)
      const cause = countsAsAttempt(outcome.reason) ? 'retry' : retryCauseOf(pass)
      const timers = timersOf(pass, due, { cause, attempt: 0, waits: pass.waits + 1 })
      return { timers, deadLetter: undefined }
    }
    case 'retry': {
      const { error, exhausted } = outcome
      if (exhausted) return { timers: [], deadLetter: { reason: `${error.reason}: ${error.message}` } }
      return { timers: retryTimers(error, pass, now, random), deadLetter: undefined }
    }
  }
}

function retryTimers(error: OperatorError, pass: Pass, now: number, random: number): TimerMessage[] {
  const { attempt, waits } = pass
  const cause = retryCauseOf(pass)
  const asked = error.retryAfterMs ?? 0
  if (!countsAsAttempt(error.reason)) {
    const ownMs = outageBackoffMs(waits, random)
    const due = asked > ownMs ? now + asked : alignToRetryGrid(now, ownMs, pass)
    return timersOf(pass, due, { cause, attempt, waits: waits + 1 })
  }
  const due = now + Math.max(asked, retryBackoffMs(attempt, random))
  return timersOf(pass, due, { cause, attempt: attempt + 1, waits })
}

function timersOf(
  pass: Pass,
  due: number,
  key: Pick<TimerMessage['key'], 'cause' | 'attempt' | 'waits'>,
): TimerMessage[] {
  const { namespace, name, pod, trace, workloadNamespaces } = pass
  const [workloadNamespace] = workloadNamespaces
  const hints = {
    ...(pod === undefined ? {} : { pod }),
    ...(trace === undefined ? {} : { trace }),
    ...(workloadNamespace === undefined ? {} : { workloadNamespace }),
  }
  return pass.uids.map(uid => ({
    v: 1,
    key: { namespace, name, uid, ...key, ...hints },
    due: new Date(due).toISOString(),
  }))
}

function wakeTimer({ namespace, name, uid }: InstanceKey, { trace }: Pass, now: number): TimerMessage {
  const hints = trace === undefined ? {} : { trace }
  const key = { namespace, name, uid, cause: 'retry', attempt: 0, waits: 0, ...hints } as const
  return { v: 1, key, due: new Date(now).toISOString() }
}
