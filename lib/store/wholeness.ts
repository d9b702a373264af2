/**
 * Whether the rows of a cluster are whole: every instance that runs has one. After the loss or the restore of a database they
 * are not, until sweeps have had them rebuilt. Who counts rows asks before.
 */
export interface Wholeness {
  /** Returns since when the rows of a cluster are known to be whole, in epoch milliseconds. Undefined: it is not known. */
  rowsWholeSince(cluster: string, signal: AbortSignal): Promise<number | undefined>
  /** Writes that every instance of a cluster that runs has a row. It holds until the database starts anew. @returns now */
  markRowsWhole(cluster: string, signal: AbortSignal): Promise<number>
  /** Writes that rows of a cluster are missing. @returns for how many milliseconds that is known already */
  rowsIncompleteForMs(cluster: string, signal: AbortSignal): Promise<number>
  /** Counts the open rows by their cluster, the largest number first. */
  countOpenRows(signal: AbortSignal): Promise<RowsOfCluster[]>
}

/** The open rows that name one cluster, or none. */
export interface RowsOfCluster {
  cluster: string | null
  rows: number
  /** The creation of the newest instance among them. */
  newest: Date
}
