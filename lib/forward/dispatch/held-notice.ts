import type { HeldRollout } from '../../messages.ts'
import type { Wake } from '../judge/verdict.ts'
import type { InstanceDigest } from '../table/instance-digest.ts'
import type { Row } from '../table/row.ts'
import type { Messages } from './messages.ts'

/** Has the status of an instance say that the roll-out of its template is held. */
export interface HeldNotices {
  /** Sends a message, unless the status says so already or has something more pressing to say. @returns whether it did */
  send(row: Row, held: HeldRollout): boolean
  /** The status says so, or the row waits no more. */
  clear(row: Row): void
}

/** @param now epoch milliseconds */
export function createHeldNotices(messages: Messages, now: () => number): HeldNotices {
  return {
    send(row, held) {
      const { instance, heldNotice: before } = row
      const wake = isUnaware(instance) ? heldWake(row, instance, held) : undefined
      if (wake === undefined) return false
      const same = messages.isAbout(before, wake) ? before : undefined
      if (same && now() < messages.lostAt(same)) return false
      row.heldNotice = messages.send(row, wake, subjectOf(wake.uid), same)
      return true
    },
    clear(row) {
      const { heldNotice } = row
      if (heldNotice === undefined) return
      messages.effectSeen(subjectOf(heldNotice.uid), heldNotice)
      messages.withdraw(subjectOf(heldNotice.uid))
      row.heldNotice = undefined
    },
  }
}

/** Its cause is not `template`: the pass must not take the template up. */
function heldWake({ template }: Row, instance: InstanceDigest, held: HeldRollout): Wake | undefined {
  if (template?.digest === undefined) return undefined
  const { uid, resourceVersion } = instance
  const mismatch = { kind: 'rollout-held', template: template.digest } as const
  return {
    uid,
    cause: 'changed',
    mismatch,
    held,
    readVersions: [resourceVersion],
    resourceVersion,
    delayMs: 0,
  }
}

/** An instance that does not serve has its own trouble to report, and so has one with a reason. */
function isUnaware(instance: InstanceDigest | undefined): instance is InstanceDigest {
  return instance?.ready === true && instance.reason === undefined
}

function subjectOf(uid: string): string {
  return `${uid} held`
}
