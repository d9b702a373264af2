import type { Phase } from '../crd/challenge-instance.ts'
import type { WatchedNamespaces } from '../crd/namespaces.ts'
import type { Delivery, OutboxEvent } from '../events.ts'
import type { InstanceKey } from '../messages.ts'
import type { PlatformProblem, Reason } from '../reasons.ts'
import type { Admissions } from './admissions.ts'
import type { History } from './history.ts'
import type { HostClaims } from './host-claims.ts'
import type { Wholeness } from './wholeness.ts'

/** One instance as the database mirrors it. Times are RFC 3339. */
export interface InstanceRecord {
  uid: string
  /** `Cluster.uid` of the instance's cluster. Undefined if it could not be read: the row then keeps what it has. */
  cluster: string | undefined
  namespace: string
  name: string
  /** Undefined while no workload is placed: the row then keeps what it has. */
  workloadNamespace: string | undefined
  teamId: number
  eventId: number
  /** Name of the template, which is the slug of the platform's challenge. */
  template: string
  phase: Phase
  reason: Reason | undefined
  message: string | undefined
  url: string | undefined
  /** Hex HMAC of the flag, for the platform. Undefined without a flag or without a pepper. */
  flagHmac: string | undefined
  createdAt: string
  readyAt: string | undefined
  expiresAt: string | undefined
  /** The end of which the platform is warned. Undefined: none, and the row keeps what it has. */
  warnedOf: string | undefined
  /** `spec.annotations` of the instance: notes of the platform. */
  notes: Record<string, string>
  /** The instance cannot start, so room that it has got goes to those that wait. */
  needsNoRoom?: boolean
  /** `rowDigest` of the instance. */
  digest: string
  /** What the status said before. Undefined: no row was ever written of the instance, as far as its status says. */
  told?: ToldState | undefined
}

/** What an instance remembers of its row and its events, which outlives the database. Times are RFC 3339. */
export interface ToldState {
  /** The number of its last event. A row that is missing, or knows fewer, belongs to a database that was lost or restored. */
  sequence: number
  phase: Phase
  expiresAt: string | undefined
  warnedOf: string | undefined
}

/** How an instance ends. */
export interface InstanceEnd {
  why: 'deleted' | 'expired'
  /** The instance, if its status tells that a row of it was written (`told`). */
  last?: InstanceRecord | undefined
}

/** The result of a write. */
export interface Recorded {
  /** The reason why the platform's row could not be written. Our own row was written. */
  problem: PlatformProblem | undefined
  /** Number of events that the transition put into the outbox. The caller publishes that many at once. */
  events: number
  /** The row is closed, and the record changed nothing. */
  closed: boolean
  /** Whether a row that is closed was closed by `Store.close`: the teardown of its instance came to its end. */
  tornDown?: boolean
  /** The number of the last event of the instance. Undefined: there is no row. */
  sequence?: number
  /** The instances that may take the host or the room that the write gave up. They have to look again, since nothing else tells them. */
  wakes?: readonly InstanceKey[]
}

/** The rows that an operator may judge: those of its cluster and of the namespaces that it watches. */
export interface RowScope {
  /** `Cluster.uid` */
  cluster: string
  namespaces: WatchedNamespaces
}

/** A row that is not closed, or that the platform shows as if it were not, as the sweep compares it with the cluster. */
export interface OpenRow {
  uid: string
  namespace: string
  name: string
  phase: Phase
  reason: Reason | undefined
  url: string | undefined
  /** `rowDigest` of the instance when the row was written. Undefined: an earlier release wrote it. */
  digest: string | undefined
  /** Undefined: no workload was placed, or an earlier release wrote the row, whose workloads all ran beside their instances. */
  workloadNamespace: string | undefined
  /** `last_active_at` in epoch milliseconds. Undefined: nothing has reported activity. */
  lastActiveAt: number | undefined
  /** The number of the last event that the row knows. */
  sequence: number
  /** True if the platform's row agrees with this row, or if the reason why it cannot is recorded. */
  platformInStep: boolean
}

/**
 * The database as the reconciler and the sweep use it.
 *
 * Errors: every method throws an `OperatorError` and nothing else. It is `DatabaseUnavailable` if the database cannot be
 * reached, does not answer before the signal aborts, or lacks our tables.
 */
export interface Store extends HostClaims, Admissions, History, Wholeness {
  /**
   * Writes an instance's row, the platform's row and the events of the transition in one transaction.
   *
   * Flow: lock the pair of team and challenge, read the row, compare it with the record, write the row and its events in
   * one statement, then let the platform's row follow the newest open instance of the pair.
   *
   * Guarantees:
   * - The row and its events are written together or not at all. The events of an instance are numbered without a gap, and
   *   on from `record.told` if the row is missing or older.
   * - A record that equals the row writes nothing, so repeating a record is harmless.
   * - A record of a closed row changes nothing: a late pass cannot reopen it.
   * - A row without a cluster, or with another one, gets the cluster of the record: the instance lives there.
   * - Writers of the same team and challenge wait for each other. Other writers do not.
   *
   * Caveats: a record without a flag hash keeps the hash of an earlier record, so that the flag of a running instance
   * stays valid when a later pass cannot make it. If the platform's tables refuse the write, our own rows are written
   * without them, and `problem` has the reason.
   */
  record(record: InstanceRecord, signal: AbortSignal): Promise<Recorded>
  /**
   * Writes a record like `record`, and opens a row that is closed. The state is told as rebuilt. The
   * caller has just read the instance: it lives, no matter which operator closed its row.
   */
  reopen(record: InstanceRecord, signal: AbortSignal): Promise<Recorded>
  /**
   * Closes the row of an instance that is being deleted: sets `deleted_at`, adds `instance.deleted` (after
   * `instance.expired` if it expired), gives up its host, and lets the platform's row follow. A row that is missing or closed stays as it is.
   * If the platform's tables refused the write then, the platform's row follows in a later call.
   * The caller has read the instance, so the row is closed whatever cluster it names. A missing row is written first if the
   * instance tells that there was one, so that a lost database swallows no end.
   */
  close(uid: string, end: InstanceEnd, signal: AbortSignal): Promise<Recorded>
  /**
   * Closes the row of an instance that its cluster does not have. Only a row that names this cluster and the key's
   * namespace is closed. A row without a cluster (null) may have an instance that lives, so only a person judges it. If the
   * end in the row has passed, the instance counts as expired.
   * @param instance `reason`: why it is gone, if a person says so
   */
  closeGone(
    instance: InstanceKey & { cluster: string | null; reason?: Reason | undefined },
    signal: AbortSignal,
  ): Promise<Recorded>
  /**
   * Returns the namespace in which the workload of an instance ran, as its row says, open or closed. Undefined: there is no
   * row, or it names none.
   */
  workloadNamespaceOf(uid: string, signal: AbortSignal): Promise<string | undefined>
  /** Returns `last_active_at` of an instance's row in epoch milliseconds. Undefined: there is no row, or none was reported. */
  lastActiveAt(uid: string, signal: AbortSignal): Promise<number | undefined>
  /** Writes that these instances were active at a time, in epoch milliseconds. A later time in a row stays. */
  recordActivity(uids: readonly string[], at: number, signal: AbortSignal): Promise<void>
  /**
   * Yields the open rows that an operator may judge, by uid, in pages of at most 500. A last page has some of the closed
   * rows whose platform row could not be written. After it, claims of hosts that count no more are deleted.
   */
  openRows(scope: RowScope, signal: AbortSignal): AsyncIterable<OpenRow[]>
}

/**
 * The events that wait for publication on one event bus. Operators that share a database have a bus each, and none of them
 * takes the events of another one.
 */
export interface Outbox {
  /**
   * Publishes up to `limit` events.
   *
   * Flow: in one transaction, claim unpublished events (those refused least often first, then the oldest), pass them to
   * `publish`, mark the accepted events as published, and count a refusal for each refused one. An event whose refusal
   * lasts is left out for a while: 1 minute, then twice as long each time, up to 1 day.
   *
   * Guarantees:
   * - At least once: a crash between publication and commit publishes the events again. Consumers deduplicate on the
   *   event id.
   * - Calls at the same time claim different events: a claimed event is skipped, not waited for.
   * - An event that is refused every time waits behind all others, so it holds up none of them.
   *
   * Caveats: the claim lasts as long as `publish` runs. The server ends a transaction that is idle for 60 s, so `publish`
   * must be faster than that. The events of one instance are ordered by their sequence, not by their arrival.
   *
   * Errors: an error of `publish` is thrown and leaves its events unpublished. A database that cannot be reached is
   * `DatabaseUnavailable`.
   * @param publish returns what became of the events
   * @returns how many events were claimed, and how many of them published
   */
  drain(
    limit: number,
    publish: (events: OutboxEvent[]) => Promise<Delivery>,
    signal: AbortSignal,
  ): Promise<{ claimed: number; published: number }>
  /**
   * Returns the age in milliseconds of the oldest event that waits for publication, by the database's clock; 0 if none
   * does. An event that the bus refused for itself does not count.
   */
  oldestMs(signal: AbortSignal): Promise<number>
}
