import { randomUUID } from 'node:crypto'
import { sql, type Transaction } from 'kysely'
import type { Delivery, EventType, OutboxEvent, TransitionEvent } from '../events.ts'
import { currentTraceparent } from '../telemetry/scope.ts'
import { sqlState } from './errors.ts'
import { eventNotes } from './event-notes.ts'
import { type InstanceRow, writeInstance } from './instances.ts'
import type { Schema } from './schema.ts'

/** The name of no event bus. Events that are kept under it are never published: they are the history of their instances. */
export const noBus = ''

export interface Transition {
  /** The row after the transition, with the sequence of its last event. */
  row: InstanceRow
  isNew: boolean
  /** The events, in their order. */
  events: readonly TransitionEvent[]
  /** The event bus that the events are for. Undefined: any. `noBus`: none. */
  bus: string | undefined
  at: Date
}

/** Writes the row and the events of a transition in one statement. */
export async function writeTransition(
  transaction: Transaction<Schema>,
  { row, isNew, events: told, bus, at }: Transition,
): Promise<void> {
  const write = writeInstance(transaction, { row, isNew })
  if (told.length === 0) {
    await write.execute()
    return
  }
  const events = told.map(({ type, rebuilt }, index) => {
    const eventId = randomUUID()
    const sequence = row.sequence - told.length + 1 + index
    return {
      event_id: eventId,
      instance_uid: row.uid,
      sequence,
      type,
      bus: bus ?? null,
      cluster: row.cluster,
      message: row.message,
      payload: JSON.stringify(payloadOf(row, { eventId, sequence, rebuilt, at })),
    }
  })
  await transaction
    .with('transition', () => write)
    .insertInto('challenge_operator.outbox')
    .values(events)
    .execute()
}

/** Whether the outbox has an event of the instance with the number of a new one. */
export function isSequenceTaken(thrown: unknown): boolean {
  const { constraint } = (thrown ?? {}) as { constraint?: unknown }
  return sqlState(thrown) === '23505' && constraint === 'outbox_instance_sequence'
}

/** Returns a row whose new events are numbered after all that the outbox has of the instance. */
export async function numberedOn(
  transaction: Transaction<Schema>,
  row: InstanceRow,
  events: number,
): Promise<InstanceRow> {
  const { last } = await transaction
    .selectFrom('challenge_operator.outbox')
    .select(({ fn }) => fn.max('sequence').as('last'))
    .where('instance_uid', '=', row.uid)
    .executeTakeFirstOrThrow()
  return { ...row, sequence: Math.max(row.sequence, (last ?? 0) + events) }
}

interface EventHead {
  eventId: string
  sequence: number
  rebuilt: boolean
  at: Date
}

/** The payload that consumers rely on. Every field is always there; a field without a value is null. */
function payloadOf(row: InstanceRow, { eventId, sequence, rebuilt, at }: EventHead) {
  return {
    eventId,
    sequence,
    key: { kind: 'ChallengeInstance', namespace: row.namespace, name: row.name },
    uid: row.uid,
    /** W3C traceparent of the pass that wrote the event. */
    trace: currentTraceparent() ?? null,
    owner: { teamId: Number(row.team_id), eventId: Number(row.event_id) },
    template: row.template,
    phase: row.phase,
    reason: row.reason,
    url: row.url,
    times: {
      at: at.toISOString(),
      createdAt: row.created_at.toISOString(),
      readyAt: row.ready_at?.toISOString() ?? null,
      expiresAt: row.expires_at?.toISOString() ?? null,
      deletedAt: row.deleted_at?.toISOString() ?? null,
    },
    /** See `TransitionEvent`. */
    rebuilt,
    ...eventNotes(row.notes),
  }
}

/** Implements `Outbox.drain` within a transaction. */
export async function drainOutbox(
  transaction: Transaction<Schema>,
  { limit, bus }: { limit: number; bus: string },
  publish: (events: OutboxEvent[]) => Promise<Delivery>,
): Promise<{ claimed: number; published: number }> {
  const rows = await transaction
    .selectFrom('challenge_operator.outbox')
    .select(['id', 'event_id', 'type', 'payload', 'created_at'])
    .where('published_at', 'is', null)
    .where(where => where.or([where('bus', 'is', null), where('bus', '=', bus)]))
    .where(where => where.or([where('retry_at', 'is', null), where('retry_at', '<=', sql<Date>`now()`)]))
    // Refused events come after new ones, so that an event that is refused every time holds up no other.
    .orderBy('refusals')
    .orderBy('id')
    .limit(sql.lit(limit))
    .forUpdate()
    .skipLocked()
    .execute()
  if (rows.length === 0) return { claimed: 0, published: 0 }
  const { accepted, refused } = await publish(rows.map(eventOf))
  const ids = (side: 'passing' | 'lasting') =>
    refused.filter(each => each.lasting === (side === 'lasting')).map(({ event }) => event.id)
  const rowsWith = (some: readonly string[]) =>
    transaction.updateTable('challenge_operator.outbox').where('id', 'in', some)
  const [published, passing, lasting] = [accepted.map(event => event.id), ids('passing'), ids('lasting')]
  const refusals = sql<number>`refusals + 1`
  if (published.length > 0) await rowsWith(published).set({ published_at: sql<string>`now()` }).execute()
  if (passing.length > 0) await rowsWith(passing).set({ refusals }).execute()
  if (lasting.length > 0) await rowsWith(lasting).set({ refusals, retry_at: nextRetry }).execute()
  return { claimed: rows.length, published: published.length }
}

/** Implements `Outbox.oldestMs`. */
export async function oldestInOutbox(transaction: Transaction<Schema>, bus: string): Promise<number> {
  const { age } = await transaction
    .selectFrom('challenge_operator.outbox')
    .select(sql<string | null>`extract(epoch from now() - min(created_at)) * 1000`.as('age'))
    .where('published_at', 'is', null)
    .where('retry_at', 'is', null)
    .where(where => where.or([where('bus', 'is', null), where('bus', '=', bus)]))
    .executeTakeFirstOrThrow()
  return Math.max(0, Number(age ?? 0))
}

/** After 1 minute, then after twice as long each time, up to 1 day. 2^11 minutes are more than a day. */
const nextRetry = sql<string>`now() + least(interval '1 minute' * power(2, least(refusals, 11)), interval '1 day')`

function eventOf(row: {
  id: string
  event_id: string
  type: EventType
  payload: Record<string, unknown>
  created_at: Date
}): OutboxEvent {
  return {
    id: row.id,
    eventId: row.event_id,
    type: row.type,
    payload: row.payload,
    createdAt: row.created_at.toISOString(),
  }
}
