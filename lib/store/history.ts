import type { WatchedNamespaces } from '../crd/namespaces.ts'

/** History that is old enough to be deleted. Of a cluster and its namespaces, as in `RowScope`. */
export interface OldHistory {
  /** `Cluster.uid` */
  cluster: string
  namespaces: WatchedNamespaces
  /** How old published events and closed rows are at least, in days. */
  days: number
  /** Nothing is published, so that an event is old by its creation. */
  unpublished: boolean
}

/** Numbers of what was deleted. */
export interface Pruned {
  events: number
  rows: number
}

/** The events and the rows of instances that are gone. */
export interface History {
  /**
   * Deletes a small batch of events that were published long ago, and of rows that were closed long ago.
   *
   * Guarantees:
   * - An event that is not published is kept, and the row of its instance, too, unless nothing is published at all.
   * - A row is deleted after its events, so that `readTimelines` finds every event that is left.
   * - Events and rows of other clusters and namespaces are kept: their operators may keep them for longer.
   * - Where nothing is old enough, nothing is written.
   *
   * Caveats: events of earlier releases name no cluster, and are deleted with their row. A closed row that names no
   * cluster is kept.
   *
   * Errors: as every method of `Store`.
   */
  prune(old: OldHistory, signal: AbortSignal): Promise<Pruned>
}
