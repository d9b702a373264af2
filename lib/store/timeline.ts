import { sql } from 'kysely'
import type { Phase } from '../crd/challenge-instance.ts'
import type { WatchedNamespaces } from '../crd/namespaces.ts'
import type { EventType } from '../events.ts'
import type { Reason } from '../reasons.ts'
import { type Database, inTransaction } from './database.ts'
import { storeError } from './errors.ts'
import { storable } from './storable.ts'

/** The history of one instance, which may be gone. Times are RFC 3339. */
export interface Timeline {
  uid: string
  /** `Cluster.uid`. Null: not known. */
  cluster: string | null
  namespace: string
  name: string
  teamId: number
  eventId: number
  template: string
  /** As the row has it: now, or at the end. */
  phase: Phase
  reason: Reason | null
  message: string | null
  url: string | null
  createdAt: string
  expiresAt: string | null
  /** Null: the instance is not known to be gone. */
  deletedAt: string | null
  /** The number of the instance's events. Those that are missing in `events` have been deleted. */
  lastSequence: number
  events: TimelineEvent[]
}

/** The state of the instance after the transition of the event. */
export interface TimelineEvent {
  at: string
  sequence: number
  type: EventType
  phase: Phase
  reason: Reason | null
  message: string | null
  url: string | null
  expiresAt: string | null
  /** See `TransitionEvent`. Events of earlier releases are not. */
  rebuilt: boolean
  /** Null: it waits for the event bus. */
  publishedAt: string | null
}

export interface TimelineQuery {
  name: string
  namespaces: WatchedNamespaces
}

interface EventRow extends Omit<TimelineEvent, 'publishedAt'> {
  uid: string
  publishedAt: Date | null
}

type InstanceRow = Omit<
  Timeline,
  'events' | 'createdAt' | 'expiresAt' | 'deletedAt' | 'teamId' | 'eventId'
> & {
  teamId: string
  eventId: string
  createdAt: Date
  expiresAt: Date | null
  deletedAt: Date | null
}

/**
 * Reads the history of every instance that has, or had, a name, the oldest instance first. Successors under one name have
 * a timeline each. An instance without a row has none: its row is deleted last.
 * @throws OperatorError
 */
export async function readTimelines(
  db: Database,
  { name, namespaces }: TimelineQuery,
  signal: AbortSignal,
): Promise<Timeline[]> {
  const inNamespaces =
    namespaces === '*' ? sql`true` : sql`namespace = ANY(${namespaces.map(storable)}::text[])`
  try {
    return await inTransaction(
      db,
      async transaction => {
        const { rows } = await sql<InstanceRow>`
          SELECT uid, cluster, namespace, name, team_id AS "teamId", event_id AS "eventId", template, phase, reason,
            message, url, created_at AS "createdAt", expires_at AS "expiresAt", deleted_at AS "deletedAt",
            sequence AS "lastSequence"
          FROM challenge_operator.instance WHERE name = ${storable(name)} AND ${inNamespaces}
          ORDER BY created_at, uid`.execute(transaction)
        const events = await sql<EventRow>`
          SELECT instance_uid AS uid, payload #>> '{times,at}' AS at, sequence, type, payload ->> 'phase' AS phase,
            payload ->> 'reason' AS reason, message, payload ->> 'url' AS url,
            payload #>> '{times,expiresAt}' AS "expiresAt", coalesce((payload ->> 'rebuilt')::boolean, false) AS rebuilt,
            published_at AS "publishedAt"
          FROM challenge_operator.outbox WHERE instance_uid = ANY(${rows.map(row => row.uid)}::text[])
          ORDER BY instance_uid, sequence`.execute(transaction)
        const byUid = Map.groupBy(events.rows, event => event.uid)
        return rows.map(row => timelineOf(row, byUid.get(row.uid) ?? []))
      },
      signal,
    )
  } catch (thrown) {
    throw storeError(thrown, signal)
  }
}

function timelineOf(row: InstanceRow, events: readonly EventRow[]): Timeline {
  const { teamId, eventId, createdAt, expiresAt, deletedAt, ...rest } = row
  return {
    ...rest,
    teamId: Number(teamId),
    eventId: Number(eventId),
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt?.toISOString() ?? null,
    deletedAt: deletedAt?.toISOString() ?? null,
    events: events.map(({ uid: _, publishedAt, ...event }) => ({
      ...event,
      publishedAt: publishedAt?.toISOString() ?? null,
    })),
  }
}
