import { isDeepStrictEqual } from 'node:util'
import type { Selectable, Transaction, Updateable } from 'kysely'
import { OperatorError } from '../errors.ts'
import type { InstanceTable, Schema } from './schema.ts'
import { storable } from './storable.ts'
import type { InstanceRecord } from './store.ts'

export type InstanceRow = Selectable<InstanceTable>

/** What a record says that may change while the instance lives; the rest of a row is immutable in the cluster. */
type Said = Pick<
  InstanceRow,
  'phase' | 'reason' | 'message' | 'url' | 'flag_hmac' | 'notes' | 'ready_at' | 'expires_at'
>

export async function readInstance(
  transaction: Transaction<Schema>,
  uid: string,
): Promise<InstanceRow | undefined> {
  return transaction
    .selectFrom('challenge_operator.instance')
    .selectAll()
    .where('uid', '=', storable(uid))
    .executeTakeFirst()
}

/**
 * The row as it will be, undefined where it is so already. A hash once recorded stays until another one comes: a pass
 * that could not make the flag (no template, say) leaves a running instance whose flag is still to be recognised.
 */
export function rowAfter(
  before: InstanceRow | undefined,
  record: InstanceRecord,
  events: number,
): InstanceRow | undefined {
  const said: Said = {
    phase: record.phase,
    reason: record.reason ?? null,
    message: record.message === undefined ? null : storable(record.message),
    url: record.url === undefined ? null : storable(record.url),
    flag_hmac: record.flagHmac ?? before?.flag_hmac ?? null,
    notes: storableNotes(record.notes),
    ready_at: instant('readyAt', record.readyAt),
    expires_at: instant('expiresAt', record.expiresAt),
  }
  if (before !== undefined) {
    const after = { ...before, ...said, sequence: before.sequence + events }
    return isDeepStrictEqual(after, before) ? undefined : after
  }
  const createdAt = instant('createdAt', record.createdAt)
  if (createdAt === null) throw invalid('createdAt', '')
  return {
    ...said,
    uid: storable(record.uid),
    namespace: storable(record.namespace),
    name: storable(record.name),
    team_id: String(record.teamId),
    event_id: String(record.eventId),
    template: storable(record.template),
    created_at: createdAt,
    last_active_at: null,
    deleted_at: null,
    sequence: events,
    platform_problem: null,
  }
}

/** The statement that makes a new row, or an old one, read as `row` says. */
export function writing(transaction: Transaction<Schema>, row: InstanceRow, isNew: boolean) {
  return isNew ? insertion(transaction, row) : update(transaction, row)
}

function insertion(transaction: Transaction<Schema>, row: InstanceRow) {
  const { created_at, last_active_at: _, deleted_at: __, ...rest } = row
  return transaction
    .insertInto('challenge_operator.instance')
    .values({ ...rest, ...columnsOf(row), created_at: created_at.toISOString() })
    .returning('uid')
}

function update(transaction: Transaction<Schema>, row: InstanceRow) {
  const { phase, reason, message, url, flag_hmac, sequence } = row
  return transaction
    .updateTable('challenge_operator.instance')
    .set({ phase, reason, message, url, flag_hmac, sequence, ...columnsOf(row) })
    .where('uid', '=', row.uid)
    .returning('uid')
}

function columnsOf(row: InstanceRow) {
  return {
    notes: JSON.stringify(row.notes),
    ready_at: row.ready_at?.toISOString() ?? null,
    expires_at: row.expires_at?.toISOString() ?? null,
    deleted_at: row.deleted_at?.toISOString() ?? null,
  } satisfies Updateable<InstanceTable>
}

function storableNotes(notes: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(notes).map(each => each.map(storable)))
}

/** To the millisecond, as a row read back has it: what is finer would differ from itself for ever. */
function instant(field: string, text: string | undefined): Date | null {
  if (text === undefined) return null
  const date = new Date(text)
  if (Number.isNaN(date.getTime())) throw invalid(field, text)
  return date
}

function invalid(field: string, text: string): OperatorError {
  const what = `${field} of the instance is ${JSON.stringify(text)}, which is no RFC 3339 time`
  return new OperatorError('Internal', what, { fate: 'permanent' })
}
