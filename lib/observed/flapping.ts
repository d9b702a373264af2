import type { ChallengeInstanceStatus } from '../crd/challenge-instance.ts'

/** Changes of a phase in one burst, with the one that is held back. Times are epoch milliseconds. */
export interface PhaseChanges {
  count: number
  /** The time of the first change. */
  since: number
}

/** A burst is over when the phase has been free to change for this long and has not, in milliseconds. */
const calmMs = 60_000

/** So many changes of a burst are told at once. A Deployment that is replaced makes two. */
const toldAtOnce = 6

/** The first held change is told a minute after the burst began. The distances double up to five minutes. */
const firstHoldMs = 60_000
const longestHoldMs = 300_000

/** Returns the time before which no further change of the phase is told; undefined: the next one is told at once. */
export function phaseHeldUntil({ count, since }: PhaseChanges): number | undefined {
  if (count <= toldAtOnce) return undefined
  let until = since + firstHoldMs
  let distance = firstHoldMs
  for (let change = toldAtOnce + 2; change <= Math.min(count, heldAtMost); change++) {
    until += distance
    distance = Math.min(distance * 2, longestHoldMs)
  }
  return until
}

/** Keeps the time finite, whatever a status says. 1,000 held changes take three days. */
const heldAtMost = 1_000

/**
 * Counts a change of the phase.
 * @param opens whether the change may begin a burst. A start is none, until the phase is left again
 * @returns `held`: the change is not told yet
 */
export function countPhaseChange(
  before: PhaseChanges | undefined,
  { now, opens }: { now: number; opens: boolean },
): { changes: PhaseChanges | undefined; held: boolean } {
  if (before === undefined || isOver(before, now))
    return { changes: opens ? { count: 1, since: now } : undefined, held: false }
  const until = phaseHeldUntil(before)
  if (until !== undefined && now < until) return { changes: before, held: true }
  const changes = { ...before, count: before.count + 1 }
  return { changes, held: until === undefined && isHeld(changes, now) }
}

/** Returns whether the phase may not change in the status at this time. @param now epoch milliseconds */
export function isHeld(changes: PhaseChanges | undefined, now: number): boolean {
  const until = changes && phaseHeldUntil(changes)
  return until !== undefined && now < until
}

/** Returns the changes that a status has recorded. */
export function phaseChangesOf(status: ChallengeInstanceStatus | undefined): PhaseChanges | undefined {
  const recorded = status?.phaseChanges
  if (recorded === undefined) return undefined
  const since = Date.parse(recorded.since)
  return Number.isNaN(since) ? undefined : { count: recorded.count, since }
}

function isOver(changes: PhaseChanges, now: number): boolean {
  return now >= (phaseHeldUntil(changes) ?? changes.since) + calmMs
}
