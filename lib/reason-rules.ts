import type { Recovery } from './reason-policy.ts'
import { type Reason, reasons } from './reasons.ts'

/** Whether a failure for this reason uses up one of the attempts of a pass. */
export function countsAsAttempt(reason: Reason): boolean {
  return reasons[reason].recovery !== 'outage'
}

/** @param reason the reason of a status, which another release may have written */
export function isReason(reason: string): reason is Reason {
  return Object.hasOwn(reasons, reason)
}

/** Whether an instance with this reason in its status waits for a timer, so that a lost timer leaves it behind. */
export function waitsForTimer(reason: string): boolean {
  return isReason(reason) && timed.has(reasons[reason].recovery)
}

/** Whether an instance with this reason in its status waits for a date, which its status has as well. */
export function waitsForDate(reason: string): boolean {
  return isReason(reason) && reasons[reason].recovery === 'dated'
}

/**
 * Returns the message, and when the instance is looked at again if no watch covers what cures the reason. It names no time
 * of day: a status that changed with each look would be written with each look.
 */
export function withNextLook(reason: Reason, message: string): string {
  const next = nextLooks[reasons[reason].recovery]
  return next === undefined ? message : `${message} ${next}`
}

/** A timer comes after five minutes at most (`recheckBackoffMs`). A teardown is looked at after 1, 2, 4, … minutes. */
const nextLooks: Partial<Record<Recovery, string>> = {
  recheck: 'The operator looks again after about 5 minutes at most.',
  sweep: 'The operator looks again at the next resync at the latest.',
}

/** Whether a stall for this reason counts against the roll-out of the instance's template. */
export function countsAgainstRollout(reason: string): boolean {
  return !isReason(reason) || reasons[reason].scope !== 'instance'
}

/** Whether a call that failed for this reason succeeds again without a change of rights, schema or configuration. */
export function passesByItself(reason: Reason): boolean {
  return passing.has(reasons[reason].recovery)
}

const timed: ReadonlySet<Recovery> = new Set<Recovery>(['recheck', 'moment'])
const passing: ReadonlySet<Recovery> = new Set<Recovery>(['outage', 'retry', 'moment'])
