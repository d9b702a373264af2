import type { InstanceKey } from '../messages.ts'
import type { LimitName } from './admission-step.ts'
import type { Wakes } from './host-claims.ts'

/** An instance that asks whether there is room for its workload. */
export interface AdmissionRequest extends InstanceKey {
  /** `Cluster.uid` */
  cluster: string
  teamId: number
  eventId: number
  template: string
  /** `metadata.creationTimestamp` of the instance, RFC 3339. */
  createdAt: string
  /** The limit of its template. Undefined: none. */
  maxInstances: number | undefined
  /** It has run before and was hibernated, so it goes ahead of those that have not. */
  woken: boolean
}

/**
 * Whether there is room. `full`: the limit that leaves none; undefined: others go first. `incomplete`: the rows are not known
 * to be whole (`Wholeness`), so nobody is counted before a sweep.
 */
export type Admission = (
  | { admitted: true }
  | { admitted: false; full: { name: LimitName; limit: number } | undefined; incomplete?: boolean }
) &
  Wakes

/**
 * Who may hold a workload where limits say how many do. A decision is one transaction, and the decisions of a cluster wait
 * for each other, so a double click or a burst never exceeds a limit.
 */
export interface Admissions {
  /**
   * Asks for room, and waits for it in the database if there is none.
   *
   * Guarantees:
   * - A repeated call of an admitted instance is admitted, also if the limit was lowered since.
   * - Those that wait are in `wakes` when their turn comes: by this call, by the end of another instance (`Store.close`,
   *   `Store.closeGone`) or by its hibernation (`Store.record`). An instance that ends gives its place up.
   * - Instances that run count as admitted, whether or not they have asked. While it is not known that each of them has a row,
   *   after the loss or the restore of the database, those that ask wait.
   *
   * Caveats: a message for `wakes` may be lost, so an instance that waits asks again from time to time.
   *
   * Errors: as every method of `Store`. While the database is away nobody is admitted.
   */
  admit(request: AdmissionRequest, signal: AbortSignal): Promise<Admission>
  /**
   * Gives room to those that wait, for example after a limit was raised. Those that got room before and have not heard of
   * it are in `wakes` as well.
   * @param cluster `Cluster.uid`
   */
  admitWaiting(cluster: string, signal: AbortSignal): Promise<Wakes>
}
