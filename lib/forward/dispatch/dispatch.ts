import type { Timers } from '../../abort.ts'
import type { Cause } from '../../messages.ts'
import { judge } from '../judge/judge.ts'
import { mismatchKey } from '../judge/mismatch.ts'
import type { Wake } from '../judge/verdict.ts'
import { createEffectLatency } from '../send/effect-latency.ts'
import { outgoingChange } from '../send/outgoing-change.ts'
import type { Sender } from '../send/sender.ts'
import type { InstanceDigest } from '../table/instance-digest.ts'
import type { Outstanding, Row } from '../table/row.ts'
import { createClock } from './clock.ts'
import { createFanOut } from './fan-out.ts'
import { noteVersions, patience, type Repetition, repetitionOf, versionsOf, waitMsOf } from './repeat.ts'

export interface DispatchOptions {
  sender: Sender
  /** Whether every list has ended and this forwarder holds the lease. Otherwise nothing is judged or sent. */
  isActive: () => boolean
  /** Epoch milliseconds. */
  now: () => number
  timers: Timers
  /** A W3C traceparent for a change that starts here. */
  trace: () => string
}

/**
 * Turns mismatches into messages. Sends each mismatch once, delays it while it may be the echo of our own write, and
 * sends it again when its message seems lost, or when newer versions of children or pods still show it (`repeat.ts`). Rows whose verdict changes with time are evaluated again by a clock, and
 * template changes are sent in their turn (`createFanOut`).
 */
export interface Dispatch {
  /** Judges the row and sends what is due. */
  evaluate(row: Row): void
  /** Evaluates the rows as if nothing had been sent before, so that every mismatch is sent. @returns number of rows */
  evaluateAnew(rows: Iterable<Row>): number
  instanceGone(row: Row, gone: InstanceDigest): void
  /** Nothing is left of the row, so the clock forgets it. */
  forget(row: Row): void
  /** Stops the clock and the pacing of template changes. */
  stop(): void
}

export function createDispatch({ sender, isActive, now, timers, trace }: DispatchOptions): Dispatch {
  const clock = createClock<Row>(evaluate, now, timers)
  const fanOut = createFanOut(sendRollout, timers)
  const latency = createEffectLatency({ patience })

  function effectSeen(subject: string, outstanding: Outstanding, at: number): void {
    sender.effectSeen(subject)
    // A repeated message does not count, since it is unknown which sending took effect (Karn's algorithm).
    if (!outstanding.repeated) latency.effectSeen(at - outstanding.sentAt, at)
  }

  /** @param before the message about the same mismatch that is repeated, and why */
  function send(row: Row, wake: Wake, at: number, options: SendOptions = {}): Outstanding {
    const { subject = wake.uid, before, as } = options
    const { uid, cause } = wake
    const key = mismatchKey(wake.mismatch)
    const change = outgoingChange({ key: row, wake, at, trace: trace(), repeated: as === 'lost' })
    sender.put({ subject, change, startsWork: startsWork(wake) })
    return {
      uid,
      cause,
      key,
      sentAt: at,
      waitMs: waitMsOf(wake, before, as),
      repeated: before !== undefined,
      versions: versionsOf(wake),
      outdatedSince: undefined,
      repeatsForNewer: (before?.repeatsForNewer ?? 0) + (as === 'outdated' ? 1 : 0),
    }
  }

  /** @returns when to evaluate again */
  function sendOrWait(row: Row, wake: Wake, at: number): number {
    const sent = row.outstanding
    const before = isAbout(sent, wake) ? sent : undefined
    if (before) noteVersions(before, wake, at)
    const repetition = before && repetitionOf(before, latency)
    if (repetition && at < repetition.at) {
      row.delayedSince = undefined
      return repetition.at
    }
    if (!before && wake.delayMs > 0) {
      row.delayedSince ??= at
      if (at < row.delayedSince + wake.delayMs) return row.delayedSince + wake.delayMs
    }
    row.delayedSince = undefined
    if (!before && sent) effectSeen(sent.uid, sent, at)
    row.outstanding = send(row, wake, at, { before, as: repetition?.as })
    return repetitionOf(row.outstanding, latency).at
  }

  function clearOutstanding(row: Row, at: number): void {
    const { instance, outstanding } = row
    if (outstanding) effectSeen(outstanding.uid, outstanding, at)
    if (outstanding && instance) sender.withdraw(instance.uid)
    row.outstanding = undefined
    row.delayedSince = undefined
  }

  /** @returns when to evaluate again */
  function evaluateRollout(row: Row, wake: Wake | undefined, at: number): number | undefined {
    const { rollout, instance } = row
    if (wake === undefined) {
      if (rollout) effectSeen(rolloutSubject(rollout.uid), rollout, at)
      if (rollout && instance) sender.withdraw(rolloutSubject(instance.uid))
      row.rollout = undefined
      fanOut.withdraw(row)
      return undefined
    }
    if (rollout === undefined || !isAbout(rollout, wake)) row.rollout = undefined
    else if (at < repetitionOf(rollout, latency).at) return repetitionOf(rollout, latency).at
    fanOut.offer(row)
    return undefined
  }

  function evaluate(row: Row): void {
    if (!isActive()) return
    const at = now()
    const verdict = judge(row, row.template?.digest, at)
    const rolloutAt = evaluateRollout(row, verdict.rollout, at)
    // A pass that was sent for the template is about to write children, and then a status that records them.
    const isEcho = rolloutAt !== undefined && verdict.wake?.cause === 'child'
    const wake = isEcho ? undefined : verdict.wake
    if (wake === undefined) clearOutstanding(row, at)
    const wakeAt = wake && sendOrWait(row, wake, at)
    const next = Math.min(verdict.dueAt ?? Infinity, wakeAt ?? Infinity, rolloutAt ?? Infinity)
    clock.set(row, next === Infinity ? undefined : next)
  }

  /** The row's turn has come to take up its template. */
  function sendRollout(row: Row): void {
    if (!isActive()) return
    const at = now()
    const { rollout } = judge(row, row.template?.digest, at)
    if (rollout) {
      const before = row.rollout
      const subject = rolloutSubject(rollout.uid)
      row.rollout = send(row, rollout, at, { subject, before, as: before && 'lost' })
    }
    evaluate(row)
  }

  function instanceGone(row: Row, gone: InstanceDigest): void {
    if (!isActive()) return
    const at = now()
    const { outstanding, rollout } = row
    if (outstanding) effectSeen(outstanding.uid, outstanding, at)
    if (rollout) effectSeen(rolloutSubject(rollout.uid), rollout, at)
    forgetSent(row)
    fanOut.withdraw(row)
    sender.withdraw(rolloutSubject(gone.uid))
    if (!isLastStepSent(row, gone, outstanding)) send(row, instanceGoneWake(gone), at)
  }

  return {
    evaluate,
    evaluateAnew(rows) {
      let count = 0
      for (const row of rows) {
        count += 1
        forgetSent(row)
        evaluate(row)
      }
      return count
    },
    instanceGone,
    forget: row => clock.set(row, undefined),
    stop() {
      clock.clear()
      fanOut.clear()
    },
  }
}

interface SendOptions {
  /** Default: the uid. */
  subject?: string
  before?: Outstanding | undefined
  as?: Repetition['as'] | undefined
}

function forgetSent(row: Row): void {
  row.outstanding = undefined
  row.rollout = undefined
  row.delayedSince = undefined
}

function instanceGoneWake({ uid, resourceVersion }: InstanceDigest): Wake {
  const mismatch = { kind: 'instance-gone' } as const
  return { uid, cause: 'deleted', mismatch, readVersions: [], resourceVersion, delayMs: 0 }
}

const startingCauses: readonly Cause[] = ['changed', 'template', 'child', 'orphan']

/** Whether the message starts work. The others end work that was started, or a user waits for them: they go first. */
function startsWork({ cause, mismatch }: Wake): boolean {
  return startingCauses.includes(cause) || mismatch.kind === 'teardown-not-started'
}

/** A template change is pending beside other mismatches, so it has a subject of its own. */
function rolloutSubject(uid: string): string {
  return `${uid} rollout`
}

function isAbout(outstanding: Outstanding | undefined, { uid, cause, mismatch }: Wake): boolean {
  return outstanding?.uid === uid && outstanding.cause === cause && outstanding.key === mismatchKey(mismatch)
}

/**
 * Whether the message for the last step of the teardown was sent. Either its pass has removed the finalizer, or its
 * message is still to come and will find the instance gone. The DELETED event carries the object as it was *before* the
 * write that removed the last finalizer, so the event does not show that write.
 */
function isLastStepSent(row: Row, gone: InstanceDigest, outstanding: Outstanding | undefined): boolean {
  const workloadExists = row.dependents.some(each => each.kind === 'Deployment')
  return !workloadExists && outstanding?.cause === 'deleted' && outstanding.uid === gone.uid
}
