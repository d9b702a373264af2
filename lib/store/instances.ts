import { isDeepStrictEqual } from 'node:util'
import type { Selectable, Transaction, Updateable } from 'kysely'
import { OperatorError } from '../errors.ts'
import type { InstanceTable, Schema } from './schema.ts'
import { storable } from './storable.ts'
import type { InstanceRecord } from './store.ts'

export type InstanceRow = Selectable<InstanceTable>

/** The columns that a record can change. The other columns are immutable in the cluster. */
type MutableColumns = Pick<
  InstanceRow,
  | 'phase'
  | 'reason'
  | 'message'
  | 'url'
  | 'flag_hmac'
  | 'notes'
  | 'ready_at'
  | 'expires_at'
  | 'warned_of'
  | 'admitted_at'
  | 'queued_at'
  | 'cluster'
  | 'workload_namespace'
  | 'digest'
>

/** Returns the namespace that a row has for the workload of its instance, also a closed row. */
export async function readWorkloadNamespace(
  transaction: Transaction<Schema>,
  uid: string,
): Promise<string | undefined> {
  const row = await transaction
    .selectFrom('challenge_operator.instance')
    .select('workload_namespace')
    .where('uid', '=', storable(uid))
    .executeTakeFirst()
  return row?.workload_namespace ?? undefined
}

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
 * Returns the row after a record, or undefined if the record changes nothing. A recorded flag hash stays until a record
 * has another one: a pass that could not make the flag (for example without a template) leaves a running instance, whose
 * flag must still be recognised. The cluster and the workload's namespace stay in the same way.
 * @param before undefined: there is no row yet
 * @param events number of events of the transition
 */
export function rowAfter(
  before: InstanceRow | undefined,
  record: InstanceRecord,
  events: number,
): InstanceRow | undefined {
  const columns: MutableColumns = {
    phase: record.phase,
    reason: record.reason ?? null,
    message: record.message === undefined ? null : storable(record.message),
    url: record.url === undefined ? null : storable(record.url),
    flag_hmac: record.flagHmac ?? before?.flag_hmac ?? null,
    notes: storableNotes(record.notes),
    ready_at: instant('readyAt', record.readyAt),
    expires_at: instant('expiresAt', record.expiresAt),
    warned_of: instant('warnedOf', record.warnedOf) ?? before?.warned_of ?? null,
    cluster: record.cluster ?? before?.cluster ?? null,
    workload_namespace: record.workloadNamespace ?? before?.workload_namespace ?? null,
    digest: record.digest,
    ...roomAfter(before, record),
  }
  const sequence = Math.max(before?.sequence ?? 0, record.told?.sequence ?? 0) + events
  if (before !== undefined) {
    const after = { ...before, ...columns, sequence }
    return isDeepStrictEqual(after, before) ? undefined : after
  }
  const createdAt = instant('createdAt', record.createdAt)
  if (createdAt === null) throw invalid('createdAt', '')
  return {
    ...columns,
    uid: storable(record.uid),
    namespace: storable(record.namespace),
    name: storable(record.name),
    team_id: String(record.teamId),
    event_id: String(record.eventId),
    template: storable(record.template),
    created_at: createdAt,
    last_active_at: null,
    deleted_at: null,
    torn_down: false,
    max_instances: null,
    sequence,
    platform_problem: null,
  }
}

/** A hibernated instance gives its room up. One that no longer waits gives its place up. */
function roomAfter(
  before: InstanceRow | undefined,
  record: InstanceRecord,
): Pick<InstanceRow, 'admitted_at' | 'queued_at'> {
  return {
    admitted_at: sleeps(record) ? null : (before?.admitted_at ?? null),
    queued_at: waits(record) ? (before?.queued_at ?? null) : null,
  }
}

type State = Pick<InstanceRecord, 'phase'> & { reason?: InstanceRow['reason'] | undefined }

function waits({ reason }: State): boolean {
  return reason === 'Queued'
}

/** Whether an instance has no pod and asks for none. */
export function sleeps(state: State): boolean {
  return state.phase === 'Idle' && !waits(state)
}

/** Returns the statement that inserts or updates a row. */
export function writeInstance(
  transaction: Transaction<Schema>,
  { row, isNew }: { row: InstanceRow; isNew: boolean },
) {
  return isNew ? insertRow(transaction, row) : updateRow(transaction, row)
}

function insertRow(transaction: Transaction<Schema>, row: InstanceRow) {
  const { created_at, last_active_at: _, deleted_at: __, admitted_at: ___, queued_at: ____, ...rest } = row
  return transaction
    .insertInto('challenge_operator.instance')
    .values({ ...rest, ...encodedColumns(row), created_at: created_at.toISOString() })
    .returning('uid')
}

function updateRow(transaction: Transaction<Schema>, row: InstanceRow) {
  const { phase, reason, message, url, flag_hmac, cluster, workload_namespace, digest, sequence, torn_down } =
    row
  return transaction
    .updateTable('challenge_operator.instance')
    .set({
      phase,
      reason,
      message,
      url,
      flag_hmac,
      cluster,
      workload_namespace,
      digest,
      sequence,
      torn_down,
      // Another transaction may have admitted the instance since the row was read, so nothing is written of that.
      ...(sleeps(row) && { admitted_at: null }),
      ...(waits(row) ? {} : { queued_at: null }),
      ...encodedColumns(row),
    })
    .where('uid', '=', row.uid)
    .returning('uid')
}

function encodedColumns(row: InstanceRow) {
  return {
    notes: JSON.stringify(row.notes),
    ready_at: row.ready_at?.toISOString() ?? null,
    expires_at: row.expires_at?.toISOString() ?? null,
    warned_of: row.warned_of?.toISOString() ?? null,
    deleted_at: row.deleted_at?.toISOString() ?? null,
  } satisfies Updateable<InstanceTable>
}

function storableNotes(notes: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(notes).map(each => each.map(storable)))
}

/** Cuts a time to milliseconds, as a row that is read back has it. A finer time would differ from its row every time. */
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
