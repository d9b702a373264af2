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
 * Returns as many mismatches as a sweep may enqueue. Half of them are the first ones, which are the most urgent. For the
 * other half, sweeps one after the other begin at another place, so that mismatches that outlive their repair do not hold up
 * the rest.
 * @param found the most urgent first @param at epoch milliseconds of the sweep
 */
export function paced<T>(found: readonly T[], at: number, intervalSeconds: number): Paced<T> {
  const size = rowsPerSecond * intervalSeconds
  if (found.length <= size) return { now: [...found], left: 0 }
  const half = Math.floor(size / 2)
  const others = found.slice(half)
  const sweeps = Math.floor(at / (intervalSeconds * 1_000))
  const start = (sweeps * (size - half)) % others.length
  const inTurn = [...others.slice(start), ...others.slice(0, start)].slice(0, size - half)
  return { now: [...found.slice(0, half), ...inTurn], left: found.length - size }
}
