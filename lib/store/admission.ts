import { sql, type Transaction } from 'kysely'
import { hasLimit, type Limits } from '../config/limits.ts'
import type { InstanceKey } from '../messages.ts'
import { admitted, Holdings, type LimitedInstance, scopesOf, type Waiting } from './admission-step.ts'
import type { Admission, AdmissionRequest } from './admissions.ts'
import { lockName } from './advisory-lock.ts'
import type { Wakes } from './host-claims.ts'
import type { InstanceRow } from './instances.ts'
import type { Schema } from './schema.ts'
import { storable } from './storable.ts'
import { readWholeSince } from './whole-cluster.ts'

/** Rows that hold room: those that were admitted, and those that ran before there was a limit. */
const holds = sql<boolean>`(
  admitted_at IS NOT NULL OR (workload_namespace IS NOT NULL AND phase <> 'Idle')
)`

const groups = sql`namespace, template, team_id AS "teamId", event_id AS "eventId"`

/** Implements `Admissions.admit` within a transaction. */
export async function admitIn(
  transaction: Transaction<Schema>,
  asked: AdmissionRequest,
  limits: Limits,
): Promise<Admission> {
  const request = { ...asked, namespace: storable(asked.namespace), template: storable(asked.template) }
  const own = { ...request, teamId: String(request.teamId), eventId: String(request.eventId) }
  await lockAdmissions(transaction, request.cluster)
  const held = await readHeld(transaction, request)
  if (held) {
    if (held.admitted_at === null) await write(transaction, request, 'admitted')
    return { admitted: true, wakes: [] }
  }
  if ((await readWholeSince(transaction, request.cluster)) === undefined) {
    await write(transaction, request, 'waiting')
    return { admitted: false, full: undefined, incomplete: true, wakes: [] }
  }
  const counts = await countScopes(transaction, request)
  const full = scopesOf(own, limits).find(({ name, limit }) => counts[name] >= limit)
  if (full) {
    await write(transaction, request, 'waiting')
    return { admitted: false, full, wakes: [] }
  }
  const others = (await readWaiting(transaction, request.cluster)).filter(({ uid }) => uid !== request.uid)
  if (others.length === 0) {
    await write(transaction, request, 'admitted')
    return { admitted: true, wakes: [] }
  }
  const holdings = await readHoldings(transaction, request)
  const asking: Waiting = { ...own, createdAt: new Date(request.createdAt).getTime() }
  const chosen = admitted([...others, asking], holdings, limits)
  const isChosen = chosen.includes(asking)
  await write(transaction, request, isChosen ? 'admitted' : 'waiting')
  const wakes = await admitRows(
    transaction,
    chosen.filter(each => each !== asking),
  )
  return isChosen ? { admitted: true, wakes } : { admitted: false, full: holdings.full(own, limits), wakes }
}

/** Implements `Admissions.admitWaiting` within a transaction. */
export async function admitAndRemindIn(
  transaction: Transaction<Schema>,
  cluster: string,
  limits: Limits,
): Promise<Wakes> {
  const unaware = await readUnaware(transaction, cluster)
  const { wakes } = await admitWaitingIn(transaction, cluster, limits)
  return { wakes: [...unaware, ...wakes] }
}

/** Room may have come, so those whose turn it is get it. */
export async function admitWaitingIn(
  transaction: Transaction<Schema>,
  cluster: string,
  limits: Limits,
): Promise<Wakes> {
  await lockAdmissions(transaction, cluster)
  const waiting = await readWaiting(transaction, cluster)
  if (waiting.length === 0) return { wakes: [] }
  if ((await readWholeSince(transaction, cluster)) === undefined) return { wakes: [] }
  const holdings = await readHoldings(transaction, { cluster, uid: '' })
  return { wakes: await admitRows(transaction, admitted(waiting, holdings, limits)) }
}

/** The same as `holds`, of a row that was read. One that waits holds nothing. */
function holdsRoom({ queued_at, admitted_at, workload_namespace, phase }: InstanceRow): boolean {
  return queued_at === null && (admitted_at !== null || (workload_namespace !== null && phase !== 'Idle'))
}

/** Whether the end or the hibernation of an instance may make room for another one. */
export function makesRoom(row: InstanceRow, limits: Limits): boolean {
  return holdsRoom(row) && (row.admitted_at !== null || hasLimit(limits))
}

/** Takes back that an instance was admitted. It asks again when it can start. */
export async function giveRoomUp(transaction: Transaction<Schema>, uid: string): Promise<void> {
  await transaction
    .updateTable('challenge_operator.instance')
    .set({ admitted_at: null })
    .where('uid', '=', storable(uid))
    .execute()
}

/** Locks the admissions of a cluster until the transaction ends: those who ask wait for each other. */
async function lockAdmissions(transaction: Transaction<Schema>, cluster: string): Promise<void> {
  await lockName(transaction, `admission:${cluster}`)
}

/** The row of an instance that holds room, whether or not it was asked for; undefined: it holds none. */
async function readHeld(
  transaction: Transaction<Schema>,
  { uid }: AdmissionRequest,
): Promise<Pick<InstanceRow, 'admitted_at'> | undefined> {
  return transaction
    .selectFrom('challenge_operator.instance')
    .select('admitted_at')
    .where('uid', '=', storable(uid))
    .where(holds)
    .executeTakeFirst()
}

type Counts = Record<'template' | 'team' | 'event' | 'cluster', number>

async function countScopes(
  transaction: Transaction<Schema>,
  { uid, cluster, namespace, template, teamId, eventId }: AdmissionRequest,
): Promise<Counts> {
  const { rows } = await sql<Counts>`
    SELECT
      count(*) FILTER (WHERE namespace = ${namespace} AND template = ${template})::integer AS template,
      count(*) FILTER (WHERE event_id = ${eventId} AND team_id = ${teamId})::integer AS team,
      count(*) FILTER (WHERE event_id = ${eventId})::integer AS event,
      count(*)::integer AS cluster
    FROM challenge_operator.instance
    WHERE cluster = ${cluster} AND deleted_at IS NULL AND uid <> ${storable(uid)} AND ${holds}`.execute(
    transaction,
  )
  return rows[0] ?? { template: 0, team: 0, event: 0, cluster: 0 }
}

async function readHoldings(
  transaction: Transaction<Schema>,
  { cluster, uid }: Pick<AdmissionRequest, 'cluster' | 'uid'>,
): Promise<Holdings> {
  const { rows } = await sql<Omit<LimitedInstance, 'maxInstances'>>`
    SELECT ${groups} FROM challenge_operator.instance
    WHERE cluster = ${cluster} AND deleted_at IS NULL AND uid <> ${storable(uid)} AND ${holds}`.execute(
    transaction,
  )
  return new Holdings(rows.map(row => ({ ...row, maxInstances: undefined })))
}

async function readWaiting(transaction: Transaction<Schema>, cluster: string): Promise<Waiting[]> {
  const { rows } = await sql<
    Omit<Waiting, 'createdAt' | 'maxInstances'> & { createdAt: Date; maxInstances: number | null }
  >`
    SELECT uid, name, ${groups}, max_instances AS "maxInstances", created_at AS "createdAt", phase = 'Idle' AS woken
    FROM challenge_operator.instance
    WHERE cluster = ${cluster} AND deleted_at IS NULL AND queued_at IS NOT NULL AND admitted_at IS NULL`.execute(
    transaction,
  )
  return rows.map(row => ({
    ...row,
    createdAt: row.createdAt.getTime(),
    maxInstances: row.maxInstances ?? undefined,
  }))
}

/** Those that got room and still say that they wait: the message for them may be lost. */
async function readUnaware(transaction: Transaction<Schema>, cluster: string): Promise<InstanceKey[]> {
  return transaction
    .selectFrom('challenge_operator.instance')
    .select(['namespace', 'name', 'uid'])
    .where('cluster', '=', cluster)
    .where('deleted_at', 'is', null)
    .where('admitted_at', 'is not', null)
    .where('reason', '=', 'Queued')
    .execute()
}

/** The row may not exist yet, since the end of the first pass writes it. */
async function write(
  transaction: Transaction<Schema>,
  request: AdmissionRequest,
  state: 'admitted' | 'waiting',
): Promise<void> {
  const { uid, cluster, namespace, name, teamId, eventId, template, createdAt, maxInstances } = request
  const admittedAt = state === 'admitted' ? sql`now()` : sql`NULL`
  const queuedAt = state === 'waiting' ? sql`now()` : sql`NULL`
  await sql`
    INSERT INTO challenge_operator.instance
      (uid, cluster, namespace, name, team_id, event_id, template, phase, created_at, admitted_at, queued_at, max_instances)
    VALUES (${storable(uid)}, ${cluster}, ${namespace}, ${storable(name)}, ${teamId}, ${eventId}, ${template}, 'Pending',
      ${new Date(createdAt).toISOString()}, ${admittedAt}, ${queuedAt}, ${maxInstances ?? null})
    ON CONFLICT (uid) DO UPDATE SET admitted_at = excluded.admitted_at, max_instances = excluded.max_instances,
      queued_at = CASE WHEN excluded.queued_at IS NULL THEN NULL ELSE coalesce(instance.queued_at, excluded.queued_at) END`.execute(
    transaction,
  )
}

async function admitRows(
  transaction: Transaction<Schema>,
  chosen: readonly InstanceKey[],
): Promise<InstanceKey[]> {
  if (chosen.length === 0) return []
  await sql`
    UPDATE challenge_operator.instance SET admitted_at = now(), queued_at = NULL
    WHERE uid = ANY(${chosen.map(({ uid }) => uid)}::text[])`.execute(transaction)
  return chosen.map(({ namespace, name, uid }) => ({ namespace, name, uid }))
}
