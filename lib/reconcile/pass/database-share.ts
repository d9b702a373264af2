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

/**
 * The database's share of a question for room, in milliseconds. Without the answer the pass could do nothing but come back,
 * and say that it is not known whether there is room. A cold pool connects within two seconds (`connectMs` of the database),
 * or not at all. The rest is for the turn: in a burst, those who ask wait for each other.
 */
export const admissionShareMs = 3_000
