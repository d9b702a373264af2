import type { SweepTurn } from '../messages.ts'

/**
 * The sweeps of a minute, as values. The schedule invokes the sweep function once a minute, and each sweep puts off the next
 * one by a message, so that no invocation waits for it.
 */

export interface SweepRhythm {
  /** The seconds between two sweeps. */
  intervalSeconds: number
  /** The minutes between two sweeps that also compare children. */
  resyncMinutes: number
}

/** The schedule invokes the function once a minute. */
const minuteSeconds = 60

/**
 * Returns the first sweep of a minute; undefined: with an interval of several minutes none is due in this one. The scheduled
 * minute alone decides whether it compares children, so no state is kept between invocations.
 * @param minute minutes since the epoch @param now epoch milliseconds
 */
export function firstTurn(minute: number, rhythm: SweepRhythm, now: number): SweepTurn | undefined {
  if (!sweepsIn(minute, rhythm.intervalSeconds)) return undefined
  return { v: 1, began: new Date(now).toISOString(), number: 0, resync: comparesChildren(minute, rhythm) }
}

/**
 * Returns the next sweep of the same minute with the seconds until then; undefined: it is the next minute's. A sweep that
 * lasted longer than the interval leaves out those whose time has passed. A comparison of children that failed is the next
 * sweep's.
 * @param options `now`: epoch milliseconds
 */
export function nextTurn(
  turn: SweepTurn,
  { intervalSeconds, failed, now }: { intervalSeconds: number; failed: boolean; now: number },
): { turn: SweepTurn; delaySeconds: number } | undefined {
  const sinceSeconds = (now - Date.parse(turn.began)) / 1_000
  const number = Math.max(turn.number + 1, Math.ceil(sinceSeconds / intervalSeconds))
  if (number >= Math.floor(minuteSeconds / intervalSeconds)) return undefined
  const delaySeconds = Math.ceil(number * intervalSeconds - sinceSeconds)
  return { turn: { ...turn, number, resync: turn.resync && failed }, delaySeconds }
}

/** Whether a later sweep was due meanwhile: the message was held up, or it is delivered again after a crash. */
export function isLate({ began, number }: SweepTurn, intervalSeconds: number, now: number): boolean {
  return now > Date.parse(began) + (number + 1) * intervalSeconds * 1_000
}

/** @param minute minutes since the epoch */
function sweepsIn(minute: number, intervalSeconds: number): boolean {
  return (minute * minuteSeconds) % intervalSeconds < minuteSeconds
}

/**
 * Whether the first sweep of a minute compares children: it is the first one since a minute that `resyncMinutes` divides.
 * With an interval of several minutes there may be no sweep in that minute itself.
 */
function comparesChildren(minute: number, { intervalSeconds, resyncMinutes }: SweepRhythm): boolean {
  let previous = minute - 1
  while (!sweepsIn(previous, intervalSeconds)) previous -= 1
  return Math.floor(minute / resyncMinutes) > Math.floor(previous / resyncMinutes)
}
