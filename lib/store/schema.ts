import type { ColumnType, Generated, JSONColumnType } from 'kysely'
import type { Phase } from '../crd/challenge-instance.ts'
import type { EventType } from '../events.ts'
import type { PlatformProblem, Reason } from '../reasons.ts'

/** `bigint` is read as text, since it may exceed a safe integer. */
type BigInteger = ColumnType<string, number | string, number | string>
/** A time. It is written as RFC 3339. */
type Instant = ColumnType<Date, string, string>
type NullableInstant = ColumnType<Date | null, string | null, string | null>

/** The tables in use: ours, which `migrations/` create, and the platform's, which Django creates. */
export interface Schema {
  'challenge_operator.instance': InstanceTable
  'challenge_operator.outbox': OutboxTable
  'challenge_operator.host_claim': HostClaimTable
  challenges_challenge: { id: BigInteger; slug: string }
  challenges_teamserviceinstance: PlatformRowTable
}

export interface InstanceTable {
  uid: string
  namespace: string
  name: string
  team_id: BigInteger
  event_id: BigInteger
  template: string
  phase: Phase
  reason: Reason | null
  message: string | null
  url: string | null
  flag_hmac: string | null
  notes: JSONColumnType<Record<string, string>>
  created_at: Instant
  ready_at: NullableInstant
  expires_at: NullableInstant
  /** The end of which `instance.expiring` was written last. Null: of none. */
  warned_of: NullableInstant
  /** The latest activity of players that the proxy in front of the instances reported, or that the processor time shows. */
  last_active_at: NullableInstant
  deleted_at: NullableInstant
  /** The row is closed because the teardown of the instance came to its end. False: nobody saw it end. */
  torn_down: Generated<boolean>
  /** When the instance got room under the limits. Null: no limit holds for it, it waits, or it is hibernated. */
  admitted_at: NullableInstant
  /** Since when the instance waits for room. Null: it does not. */
  queued_at: NullableInstant
  /** The limit of its template, as the instance knew it when it asked for room. Null: none. */
  max_instances: number | null
  /** Sequence of the instance's last event, 0 before the first. */
  sequence: number
  /** Uid of the namespace kube-system of the instance's cluster. Null: no pass has written it yet. */
  cluster: string | null
  /** Namespace of the workload. Null: none is placed yet, or an earlier release wrote the row, which knew only that of the instance. */
  workload_namespace: string | null
  /** `rowDigest` of the instance when the row was written. Null: an earlier release wrote it. */
  digest: string | null
  /** The reason why the platform's row does not agree with this row. Null if it agrees. */
  platform_problem: PlatformProblem | null
}

/** A host that an instance asks for. */
export interface HostClaimTable {
  uid: string
  /** Uid of the namespace kube-system of the instance's cluster. */
  cluster: string
  host: string
  namespace: string
  name: string
  /** The creation of the instance. */
  created_at: Instant
  /** When the instance asked last, if the claim changed then. */
  claimed_at: ColumnType<Date, never, never>
  /**
   * `held`: its routes may serve the host; at most one claim of a host. `waiting`: its instance knows that another one
   * holds the host. `displaced`: an older instance took the host, and the one that had it does not know yet.
   */
  state: 'held' | 'waiting' | 'displaced'
}

export interface OutboxTable {
  id: Generated<string>
  event_id: string
  instance_uid: string
  sequence: number
  type: EventType
  payload: JSONColumnType<Record<string, unknown>>
  created_at: ColumnType<Date, never, never>
  published_at: NullableInstant
  /** Number of refusals by the event bus. Refused events are published after new ones. */
  refusals: Generated<number>
  /** Name of the event bus that the event is for. Null: any. */
  bus: string | null
  /** Not published before this time. Null: as soon as possible. */
  retry_at: NullableInstant
  /** `instance.cluster` of its instance. Null: it was not known, or an earlier release wrote the event. */
  cluster: string | null
  /** Message of the instance's status at that time, for the timeline. The event bus does not get it. */
  message: string | null
}

export interface PlatformRowTable {
  id: BigInteger
  team_id: BigInteger
  challenge_id: BigInteger
  status: PlatformStatus
  endpoint_url: string
  created_at: Instant
  last_check_at: NullableInstant
}

export type PlatformStatus = 'pending' | 'running' | 'error' | 'stopped'
