/** Caps the database's share of a pass, in milliseconds: workloads start and end whether or not it answers. */
const databaseCapMs = 500

/** Milliseconds. All messages of a batch wait for its slowest pass, also while the database is away. */
const longestCapMs = 1_000

/**
 * The database's share of a pass, in milliseconds. It is doubled after a wait, so that the rows of a database that
 * is slow, and not away, are written at last.
 */
export function databaseShareMs(waits: number): number {
  return Math.min(longestCapMs, databaseCapMs * 2 ** waits)
}
