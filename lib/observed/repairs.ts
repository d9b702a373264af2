import type { Child } from '../crd/challenge-instance.ts'

/** Repairs of one child, each soon after the one before; see `Child`. */
export type Repairs = NonNullable<Child['repairs']>

/** The pause after the first repair of a burst, in milliseconds. It doubles with each further repair. */
const firstPauseMs = 1_000
const longestPauseMs = 300_000

/** A repair that comes later than this after the one before begins a new burst, in milliseconds. */
const calmMs = 2 * longestPauseMs

/** The number of repairs from which on a burst is reported. A person who tries something out stays below it. */
export const contestedFrom = 5

/** Returns the time at which the next repair is due, in epoch milliseconds; 0: at once. */
export function pausedUntil(repairs: Repairs | undefined): number {
  return repairs === undefined ? 0 : Date.parse(repairs.at) + pauseMs(repairs)
}

/**
 * Returns whether a pass leaves the child as it is. The pass that was sent at the end of the pause may have a clock that
 * is behind the sender's, so a quarter of the pause is left open.
 */
export function isPaused(repairs: Repairs | undefined, now: number): boolean {
  return repairs !== undefined && now < pausedUntil(repairs) - pauseMs(repairs) / 4
}

function pauseMs({ count }: Repairs): number {
  return Math.min(firstPauseMs * 2 ** Math.min(count - 1, 30), longestPauseMs)
}

/** Returns the record after one more repair. @param now epoch milliseconds */
export function withRepair(before: Repairs | undefined, now: number): Repairs {
  const count = before && !isCalm(before, now) ? before.count + 1 : 1
  return { count, at: new Date(now).toISOString() }
}

/** Returns whether the last repair is so long ago that its burst is over. */
export function isCalm({ at }: Repairs, now: number): boolean {
  return now >= Date.parse(at) + calmMs
}

/** Returns the record of a child without repairs of a burst that is over. */
export function withoutPastRepairs(child: Child, now: number): Child {
  const { repairs, ...rest } = child
  return repairs && isCalm(repairs, now) ? rest : child
}

/** Whether something else keeps changing the child, so that the status says so. */
export function isContested(repairs: Repairs | undefined): boolean {
  return repairs !== undefined && repairs.count >= contestedFrom
}

/** Returns when a reported burst is over, in epoch milliseconds; undefined if there is none. */
export function contestEndsAt(repairs: Repairs | undefined): number | undefined {
  return repairs && isContested(repairs) ? Date.parse(repairs.at) + calmMs : undefined
}
