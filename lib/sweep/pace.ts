/**
 * The number of rows that sweeps repair in a second. After a restore of the database every row may differ, and every sweep
 * finds those that no pass has reached yet once more. More messages than passes would make the queue longer with each
 * sweep, and an instance that starts would wait behind them. A cluster with one core takes about a hundred such passes a
 * second.
 */
const rowsPerSecond = 20

export interface Paced<T> {
  now: T[]
  /** The number of those that the next sweeps find again. */
  left: number
}

/**
 * Returns as many mismatches of rows as a sweep may enqueue. Sweeps one after the other begin at another place, so that
 * mismatches that outlive their repair do not hold up the others.
 * @param at epoch milliseconds of the sweep
 */
export function paced<T>(found: readonly T[], at: number, intervalSeconds: number): Paced<T> {
  const size = rowsPerSecond * intervalSeconds
  if (found.length <= size) return { now: [...found], left: 0 }
  const sweeps = Math.floor(at / (intervalSeconds * 1_000))
  const start = (sweeps * size) % found.length
  return { now: [...found.slice(start), ...found.slice(0, start)].slice(0, size), left: found.length - size }
}
