import { isOfDate, isOfDependents, type Mismatch } from '../judge/mismatch.ts'
import type { Wake } from '../judge/verdict.ts'
import type { EffectLatency } from '../send/effect-latency.ts'
import type { Outstanding } from '../table/row.ts'

/**
 * A message whose effect does not show may be lost. Passes come back by their own timers, so this is only a second
 * safety net: after a minute, doubling to ten. What is due at a date is promised within a second, and starts at five.
 */
const lostAfterMs = 60_000
const datedLostAfterMs = 5_000
const longestWaitMs = 600_000

/** While messages that were sent at the same time still take effect, the queue is long and no message is lost. */
export const patience = 3

/**
 * A pass ends within this time after its message, unless the queue is long. A mismatch that newer versions still show
 * then has outlived its pass. The first three repetitions come after a second, the later ones after pauses that double to
 * a minute.
 */
const passMs = 1_000
const quickRepeats = 2
const longestPauseMs = 60_000

/** What the next message about the same mismatch is, and when it is due, in epoch milliseconds. */
export interface Repetition {
  /** `lost`: the message had no effect for too long. `outdated`: its pass may have read older versions. */
  as: 'lost' | 'outdated'
  at: number
}

/** The versions by which a mismatch was judged, if newer ones may outlive a pass. */
export function versionsOf({ mismatch, readVersions }: Wake): string {
  return isOfDependents(mismatch) ? readVersions.join('@') : ''
}

/** Notes that newer versions show the mismatch for which a message was sent. @param at epoch milliseconds */
export function noteVersions(outstanding: Outstanding, wake: Wake, at: number): void {
  if (versionsOf(wake) !== outstanding.versions) outstanding.outdatedSince ??= at
}

export function repetitionOf(outstanding: Outstanding, latency: EffectLatency): Repetition {
  const { sentAt, waitMs, outdatedSince, repeatsForNewer } = outstanding
  const lostAt = sentAt + Math.min(Math.max(waitMs, latency.patienceMs), longestWaitMs)
  if (outdatedSince === undefined) return { as: 'lost', at: lostAt }
  const pauseMs = Math.min(longestPauseMs, passMs * 2 ** Math.max(0, repeatsForNewer - quickRepeats))
  const outdatedAt = Math.max(outdatedSince + pauseMs, sentAt + latency.usualMs(outdatedSince) * patience)
  return outdatedAt < lostAt ? { as: 'outdated', at: outdatedAt } : { as: 'lost', at: lostAt }
}

/** How long to wait for the effect of a message, in milliseconds. @param before the message that is repeated */
export function waitMsOf(
  { mismatch }: Wake,
  before: Outstanding | undefined,
  as: Repetition['as'] | undefined,
) {
  if (before === undefined) return firstWaitMs(mismatch)
  return as === 'outdated' ? before.waitMs : Math.min(before.waitMs * 2, longestWaitMs)
}

/**
 * Whether the time until the effect of a message says how long the queue is. It does not for a repeated message, since it
 * is unknown which sending took effect (Karn's algorithm). Nor does it for one that is waited for as long as possible:
 * its own pass may have had no effect, and another pass has one much later.
 */
export function measuresQueue({ repeated, waitMs }: Outstanding): boolean {
  return !repeated && waitMs < longestWaitMs
}

/**
 * A pass whose function has other settings than this forwarder shows no effect, so it is not repeated before long. Nor is a
 * message that only corrects a status: it gives way to all others, and may wait behind thousands of its kind.
 */
function firstWaitMs(mismatch: Mismatch): number {
  if (mismatch.kind === 'settings' || (mismatch.kind === 'exposure' && !mismatch.awaited))
    return longestWaitMs
  return isOfDate(mismatch) ? datedLostAfterMs : lostAfterMs
}
