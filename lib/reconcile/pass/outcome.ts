import type { ClockStamp } from '../../clock/version.ts'
import type { OperatorError } from '../../errors.ts'
import type { Cause, HeldRollout, InstanceKey, SeenEnd } from '../../messages.ts'
import { countsAsAttempt } from '../../reason-rules.ts'
import { type Reason, reasons } from '../../reasons.ts'
import { momentBackoffMs, outageBackoffMs, recheckBackoffMs } from './backoff.ts'

/** One look at one instance. It unites the messages of a batch that name the instance. */
export interface Pass {
  namespace: string
  name: string
  /** Every uid that a message gave for the name, oldest message first. */
  uids: readonly string[]
  causes: ReadonlySet<Cause>
  /** Name of the pod to read. */
  pod: string | undefined
  /** Namespaces in which children of an instance that is gone may be, as the messages say. */
  workloadNamespaces: readonly string[]
  /** Why the roll-out of a newer template is held, as the forwarder says. */
  held: HeldRollout | undefined
  /** The end that a message about this uid saw in this version of the instance. */
  seenEnd?: (SeenEnd & { uid: string; resourceVersion: string }) | undefined
  /** What the newest message that says so knew of the organiser's clock. */
  clock?: ClockStamp | undefined
  /** Failed passes that counted, since the last one that did not fail. */
  attempt: number
  /** Passes that ended in a wait. They lengthen the next wait only. */
  waits: number
  /** W3C traceparent of the newest message that has one. */
  trace: string | undefined
  /** When the oldest message was sent, RFC 3339. */
  at: string
  /** Version of the object that the newest message of a change is about; empty without such a message. */
  resourceVersion: string
}

/** The end of a pass. All four kinds acknowledge the messages: a later pass is started by a timer. */
export type Outcome =
  | { kind: 'settled' }
  /** Looks again after `afterMs`, without a limit on how often. */
  | { kind: 'requeue'; afterMs: number; reason: Reason }
  /** `exhausted`: the attempts are used up, and the message goes to the dead letters. */
  | { kind: 'retry'; error: OperatorError; exhausted: boolean }
  /** Only a change of the instance, or of what it refers to, helps. The status says so. */
  | { kind: 'stalled'; reason: Reason; message: string }

/** `events`: outbox rows that were written, worth publishing at once. */
export interface PassResult {
  outcome: Outcome
  events: number
  /** The status says Ready for the first time, so many milliseconds after the creation. */
  readyAfterMs?: number | undefined
  /** Deleted instances of the same name whose clean-up is not done. It comes back with a timer of its own, whatever `outcome` says. */
  predecessors?: { uids: readonly string[]; outcome: Outcome } | undefined
  /** Other instances that have to look again because of this pass: their claim of a host changed. */
  wakes?: readonly InstanceKey[] | undefined
}

/** The story behind the reconcile function. */
export type Reconcile = (pass: Pass, signal: AbortSignal) => Promise<PassResult>

/** The eighth failure in a row that counts goes to the dead letters: 1 + 2 + … + 64 s, two to four minutes after the first. */
export const maxAttempts = 8

/** A predecessor's child that is being deleted is gone within moments, in milliseconds. */
const momentMs = 1_000

/** The outcome of a pass that failed. Every error of a pass becomes an outcome here. `random` is in [0, 1). */
export function failureOutcome(error: OperatorError, pass: Pass, random: number): Outcome {
  const { recovery } = reasons[error.reason]
  if (recovery === 'recheck' || recovery === 'moment') return waitOutcome(error.reason, pass, random)
  const exhausted = countsAsAttempt(error.reason) && pass.attempt + 1 >= maxAttempts
  return { kind: 'retry', error, exhausted }
}

/** The clocks of two functions differ by less than this, in milliseconds. */
const clockDifferenceMs = 5_000

/**
 * The outcome of a pass that waits for a date in the status. The forwarder's clock wakes the instance then, so there is no
 * timer: each pass would add one. Only a pass whose clock is slightly behind the forwarder's comes back with a
 * timer.
 */
export function datedOutcome(reason: Reason, afterMs: number): Outcome {
  return afterMs > clockDifferenceMs ? { kind: 'settled' } : requeue(reason, afterMs)
}

/** The outcome of a pass that comes back for `reason`, after the delay that belongs to the reason's recovery. */
export function waitOutcome(reason: Reason, pass: Pass, random: number): Outcome {
  switch (reasons[reason].recovery) {
    case 'moment':
      return requeue(reason, momentBackoffMs(momentMs, { waits: pass.waits, random }))
    case 'outage':
      return requeue(reason, outageBackoffMs(pass.waits, random))
    default:
      return requeue(reason, recheckBackoffMs(pass.waits, random))
  }
}

export function requeue(reason: Reason, afterMs: number): Outcome {
  return { kind: 'requeue', reason, afterMs }
}
