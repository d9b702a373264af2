import type { OutgoingChange } from '../aws/queue-ports.ts'
import { changeDeduplicationId } from '../messages.ts'
import type { Clock } from './clock.ts'
import type { FanOut } from './fan-out.ts'
import type { InstanceDigest } from './instance-digest.ts'
import { judge } from './judge.ts'
import type { Outstanding, Row } from './row.ts'
import type { Sender } from './sender.ts'
import type { Wake } from './verdict.ts'

export interface DispatchParts {
  sender: Sender
  clock: Clock<Row>
  fanOut: FanOut
  /** Epoch milliseconds. */
  now: () => number
  /** A W3C traceparent for a change that starts here. */
  trace: () => string
}

/** From what is wrong to what is sent: each mismatch once, held where it may be an echo, again where it may be lost. */
export interface Dispatch {
  consider(row: Row): void
  /** It is the row's turn to take up its template. */
  release(row: Row): void
  instanceGone(row: Row, gone: InstanceDigest): void
  /** What was sent is not known any more: everything that is undone is sent again. */
  forget(row: Row): void
}

/**
 * A message whose effect does not show may be lost. Passes come back by their own timers, so this is only the net below
 * the net: after a minute, doubling to ten. An end that is due has a second's promise to keep and starts at five.
 */
const lostAfterMs = 60_000
const expiryLostAfterMs = 5_000
const longestWaitMs = 600_000

/** A message is not lost while others, sent at the same time, still take effect: the queue is long. */
const patience = 3

/** How fast a slow effect is forgotten, an answer: one that took a minute counts for three seconds after sixty quick ones. */
const forgetting = 0.95

export function createDispatch({ sender, clock, fanOut, now, trace }: DispatchParts): Dispatch {
  /** Of late, from sending to effect. Repeated ones do not count, since nobody knows which of them took effect (Karn). */
  let slowestMs = 0

  function answered(outstanding: Outstanding | undefined, at: number): void {
    if (outstanding === undefined) return
    sender.answered(outstanding.subject)
    if (outstanding.repeated) return
    slowestMs = Math.max(at - outstanding.sentAt, slowestMs * forgetting)
  }

  function lostAt({ sentAt, waitMs }: Outstanding): number {
    return sentAt + Math.min(Math.max(waitMs, slowestMs * patience), longestWaitMs)
  }

  function send(row: Row, wake: Wake, subject: string, at: number, before?: Outstanding): Outstanding {
    const { uid, cause, resourceVersion, pod } = wake
    // A repeat is wanted, so it must not look like the first.
    const version = before ? `${wake.version}@${at}` : wake.version
    const outgoing: OutgoingChange = {
      change: {
        v: 1,
        namespace: row.namespace,
        name: row.name,
        uid,
        resourceVersion,
        cause,
        ...(pod === undefined ? {} : { pod }),
        attempt: 0,
        at: new Date(at).toISOString(),
        trace: trace(),
      },
      deduplicationId: changeDeduplicationId(uid, cause, version),
    }
    sender.put(subject, outgoing, begins(wake))
    const firstMs = cause === 'expiry' ? expiryLostAfterMs : lostAfterMs
    const waitMs = before ? Math.min(before.waitMs * 2, longestWaitMs) : firstMs
    return { subject, about: aboutOf(wake), sentAt: at, waitMs, repeated: before !== undefined }
  }

  /** @returns when to look again */
  function pursue(row: Row, wake: Wake, at: number): number {
    const before = row.outstanding
    const same = before?.about === aboutOf(wake)
    if (same && at < lostAt(before)) {
      row.heldSince = undefined
      return lostAt(before)
    }
    if (!same && wake.holdMs > 0) {
      row.heldSince ??= at
      if (at < row.heldSince + wake.holdMs) return row.heldSince + wake.holdMs
    }
    row.heldSince = undefined
    if (!same) answered(before, at)
    row.outstanding = send(row, wake, wake.uid, at, same ? before : undefined)
    return lostAt(row.outstanding)
  }

  function settle(row: Row, at: number): void {
    answered(row.outstanding, at)
    if (row.outstanding && row.instance) sender.withdraw(row.instance.uid)
    row.outstanding = undefined
    row.heldSince = undefined
  }

  /** @returns when to look again */
  function roll(row: Row, wake: Wake | undefined, at: number): number | undefined {
    if (wake === undefined) {
      answered(row.rollout, at)
      if (row.rollout && row.instance) sender.withdraw(rolloutOf(row.instance.uid))
      row.rollout = undefined
      fanOut.withdraw(row)
      return undefined
    }
    const { rollout } = row
    if (rollout?.about !== aboutOf(wake)) row.rollout = undefined
    else if (at < lostAt(rollout)) return lostAt(rollout)
    fanOut.offer(row)
    return undefined
  }

  function consider(row: Row): void {
    const at = now()
    const verdict = judge(row, row.template?.digest, at)
    const rollsAt = roll(row, verdict.rollout, at)
    // A pass that was sent for the template is about to write children and then a status that says so.
    const echo = rollsAt !== undefined && verdict.wake?.cause === 'child'
    const wake = echo ? undefined : verdict.wake
    if (wake === undefined) settle(row, at)
    const wakesAt = wake && pursue(row, wake, at)
    const next = Math.min(verdict.dueAt ?? Infinity, wakesAt ?? Infinity, rollsAt ?? Infinity)
    clock.set(row, next === Infinity ? undefined : next)
  }

  return {
    consider,
    release(row) {
      const at = now()
      const { rollout } = judge(row, row.template?.digest, at)
      if (rollout) row.rollout = send(row, rollout, rolloutOf(rollout.uid), at, row.rollout)
      consider(row)
    },
    instanceGone(row, gone) {
      const { outstanding } = row
      answered(outstanding, now())
      answered(row.rollout, now())
      row.outstanding = undefined
      row.rollout = undefined
      row.heldSince = undefined
      fanOut.withdraw(row)
      sender.withdraw(rolloutOf(gone.uid))
      if (releasing(row, gone, outstanding)) return
      const { uid, resourceVersion } = gone
      const wake: Wake = {
        uid,
        cause: 'deleted',
        about: 'gone',
        version: 'gone',
        resourceVersion,
        holdMs: 0,
      }
      send(row, wake, uid, now())
    },
    forget(row) {
      row.outstanding = undefined
      row.rollout = undefined
      row.heldSince = undefined
    },
  }
}

/** The rest ends what was begun, or is waited for by somebody: that goes ahead. */
function begins({ cause, about }: Wake): boolean {
  return ['changed', 'template', 'child', 'orphan'].includes(cause) || about === 'marked'
}

/** A template change is pending beside other mismatches: neither takes the other's place. */
function rolloutOf(uid: string): string {
  return `${uid} rollout`
}

function aboutOf({ uid, cause, about }: Wake): string {
  return `${cause} ${uid} ${about}`
}

/**
 * The last step of a teardown was asked for: either its pass took the finalizer off, or its message is still to come and
 * will find the instance gone. The DELETED event holds the object as it was *before* the write that emptied its
 * finalizers, so that write cannot say so itself.
 */
function releasing(row: Row, gone: InstanceDigest, outstanding: Outstanding | undefined): boolean {
  const stands = row.dependents.some(each => each.kind === 'Deployment')
  return !stands && outstanding?.about.startsWith(`deleted ${gone.uid} `) === true
}
