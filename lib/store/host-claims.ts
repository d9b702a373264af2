import type { InstanceKey } from '../messages.ts'

/** A host that an instance asks for. */
export interface HostClaim extends InstanceKey {
  /** `Cluster.uid` */
  cluster: string
  /** In lower case, without a port. */
  host: string
  /** `metadata.creationTimestamp` of the instance, RFC 3339. */
  createdAt: string
}

/** Whether the instance holds the host, and what else follows from the call. */
export type ClaimedHost = ({ held: true } | { held: false; holder: InstanceKey }) & Wakes

export interface Wakes {
  /** Instances that have to look again: their claim changed, and nothing else tells them. */
  wakes: readonly InstanceKey[]
}

/**
 * The hosts of instances. In each cluster, one instance at most holds a host: the oldest of those that ask for it, by its
 * creation and then by its uid.
 */
export interface HostClaims {
  /**
   * Asks for a host. A claim for another host that the instance had is given up.
   *
   * Guarantees:
   * - One claim of a host is held, also when several instances ask at the same time. A unique index says so.
   * - An older instance takes the host from a younger one. The younger one is in `wakes` until it has asked again, so a
   *   pass that ends before it sends its messages is repeated without harm.
   * - A repeated call that changes nothing writes nothing.
   * - A claim ends when the row of its instance is closed (`Store.close`, `Store.closeGone`). The next instance is in
   *   `wakes` then.
   * - A claim without an open row counts for ten minutes, which is enough for a first pass to write the row. So a claim
   *   that a late pass, or the backup of a database, left behind blocks nobody for longer.
   *
   * Caveats: `holder` may be an instance that does not know yet that it holds the host. It is in `wakes` then. A message
   * for `wakes` may be lost, so an instance that does not hold its host looks again from time to time.
   *
   * Errors: as every method of `Store`. While the database is away nobody knows who holds a host. An instance whose host
   * has a hash of its own uid may go ahead then, and asks again in a later pass.
   */
  claimHost(claim: HostClaim, signal: AbortSignal): Promise<ClaimedHost>
  /** Gives up the host of an instance that asks for none any more. Without a claim it does nothing. */
  releaseHost(instance: Pick<HostClaim, 'uid' | 'cluster'>, signal: AbortSignal): Promise<Wakes>
}
