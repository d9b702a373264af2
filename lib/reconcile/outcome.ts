import type { OperatorError } from '../errors.ts'
import type { Cause, TimerMessage } from '../messages.ts'
import { countsAsAttempt, type Reason, reasons } from '../reasons.ts'

/** One look at one instance: what the messages of a batch that name it have in common. */
export interface Pass {
  namespace: string
  name: string
  /** Every uid that was said to live under the name, oldest message first. */
  uids: readonly string[]
  causes: ReadonlySet<Cause>
  /** Name of the pod worth a GET. */
  pod: string | undefined
  /** Failed passes that counted, since the last one that did not fail. */
  attempt: number
  /** Passes that ended in a wait, which lengthen the next wait only. */
  waits: number
}

/** What a pass ends in. All four acknowledge the message: what is to come comes by a timer. */
export type Outcome =
  | { kind: 'settled' }
  | { kind: 'requeue'; afterMs: number; reason: Reason; counted: false }
  | { kind: 'retry'; error: OperatorError; exhausted: boolean }
  | { kind: 'stalled'; reason: Reason; message: string }

/** The story behind the reconcile function. `events`: outbox rows it wrote, worth publishing at once. */
export type Reconcile = (pass: Pass, signal: AbortSignal) => Promise<{ outcome: Outcome; events: number }>

export interface FollowUp {
  /** One for each uid: a predecessor's row is closed by the pass that knows its uid. */
  timers: readonly TimerMessage[]
  deadLetter: { reason: string } | undefined
}

/** The eighth failure in a row that counts goes to the dead letters: 1 + 2 + … + 64 s, two to four minutes after the first. */
export const maxAttempts = 8

/** After a failure that counts: 1–2 s, doubling up to 2.5–5 min. `random` in [0, 1). */
export function backoffMs(attempt: number, random: number): number {
  return spread(1_000, 300_000, attempt, random)
}

/** Before looking again at what may be cured where nobody watches: 30–60 s, doubling up to 2.5–5 min. */
export function waitMs(waits: number, random: number): number {
  return spread(30_000, 300_000, waits, random)
}

/** While the cluster or the database is away: 2–4 s, doubling up to 30–60 s, so that it is back soon after them. */
export function awayMs(waits: number, random: number): number {
  return spread(2_000, 60_000, waits, random)
}

/** The outcome of a pass that failed after `attempt` earlier failures. */
export function failed(error: OperatorError, attempt: number): Extract<Outcome, { kind: 'retry' }> {
  return { kind: 'retry', error, exhausted: countsAsAttempt(error.reason) && attempt + 1 >= maxAttempts }
}

/** What has to be sent before the messages of the pass may be acknowledged. `now` in epoch milliseconds, `random` in [0, 1). */
export function followUp(outcome: Outcome, pass: Pass, now: number, random: number): FollowUp {
  switch (outcome.kind) {
    case 'settled':
    case 'stalled':
      return { timers: [], deadLetter: undefined }
    case 'requeue': {
      const dated = reasons[outcome.reason].recovery === 'dated'
      const due = dated ? now + outcome.afterMs : meetingPoint(now, outcome.afterMs, pass)
      const cause = countsAsAttempt(outcome.reason) ? 'retry' : doubtOf(pass)
      return {
        timers: timersOf(pass, due, { cause, attempt: 0, waits: pass.waits + 1 }),
        deadLetter: undefined,
      }
    }
    case 'retry': {
      const { error, exhausted } = outcome
      if (exhausted) return { timers: [], deadLetter: { reason: `${error.reason}: ${error.message}` } }
      return { timers: retriesOf(error, pass, now, random), deadLetter: undefined }
    }
  }
}

function retriesOf(error: OperatorError, pass: Pass, now: number, random: number): TimerMessage[] {
  const { attempt, waits } = pass
  const cause = doubtOf(pass)
  const asked = error.retryAfterMs ?? 0
  if (!countsAsAttempt(error.reason)) {
    const due = meetingPoint(now, Math.max(asked, awayMs(waits, random)), pass)
    return timersOf(pass, due, { cause, attempt, waits: waits + 1 })
  }
  const due = now + Math.max(asked, backoffMs(attempt, random))
  return timersOf(pass, due, { cause, attempt: attempt + 1, waits })
}

/** A pass that did not come to its end still doubts what it was sent to verify; both words ask for more than a retry. */
function doubtOf({ causes }: Pass): Cause {
  if (causes.has('drift')) return 'drift'
  return causes.has('manual') ? 'manual' : 'retry'
}

/** From `first` doubling, always jittered by a factor below two: thousands that failed together must not return together. */
function spread(first: number, most: number, step: number, random: number): number {
  const base = Math.min(first * 2 ** Math.min(step, 30), most / 2)
  return Math.floor(base * (1 + random))
}

/**
 * Every pass of a waiting instance starts a timer of its own, so a flapping pod would multiply them without end. On a
 * grid (a power of two below a quarter of the delay, so that grids nest) they meet at the same millisecond, where the
 * deduplication id makes one message of them. Each instance has its own offset: instances must not meet.
 */
function meetingPoint(now: number, delayMs: number, pass: Pass): number {
  const grid = 2 ** Math.max(0, Math.floor(Math.log2(Math.max(1, delayMs / 4))))
  const offset = offsetOf(`${pass.namespace}/${pass.name}`)
  return Math.ceil((now + delayMs - offset) / grid) * grid + offset
}

/** FNV-1a; 16 bits of it, about the largest grid in milliseconds. */
function offsetOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return (hash >>> 0) % 65_536
}

function timersOf(
  pass: Pass,
  due: number,
  key: Pick<TimerMessage['key'], 'cause' | 'attempt' | 'waits'>,
): TimerMessage[] {
  const { namespace, name, pod } = pass
  const hint = pod === undefined ? {} : { pod }
  return pass.uids.map(uid => ({
    v: 1,
    key: { namespace, name, uid, ...key, ...hint },
    due: new Date(due).toISOString(),
  }))
}
