import { sql, type Transaction } from 'kysely'
import type { InstanceKey } from '../messages.ts'
import { lockName } from './advisory-lock.ts'
import { type ClaimStep, type KnownClaim, nextClaimant, stepOf } from './claim-step.ts'
import type { ClaimedHost, HostClaim, Wakes } from './host-claims.ts'
import type { Schema } from './schema.ts'
import { storable } from './storable.ts'

/** A first pass writes the row of its instance well within this time. */
const withoutRow = sql`interval '10 minutes'`

/** Claims whose instance has an open row, or may not have one yet. */
const isLive = sql<boolean>`(
  claim.claimed_at > now() - ${withoutRow} OR EXISTS (
    SELECT FROM challenge_operator.instance own WHERE own.uid = claim.uid AND own.deleted_at IS NULL
  )
)`

/** Implements `HostClaims.claimHost` within a transaction. */
export async function claimHostIn(
  transaction: Transaction<Schema>,
  { uid, cluster, namespace, name, ...asked }: HostClaim,
): Promise<ClaimedHost> {
  const claim = { ...asked, host: storable(asked.host), uid, cluster, namespace, name }
  await lockHost(transaction, claim)
  const before = await readOwnHost(transaction, claim)
  const known = await readClaims(transaction, claim)
  const step = stepOf(known, { ...claim, createdAt: new Date(claim.createdAt).getTime() })
  if (step.changes) await writeStep(transaction, claim, step)
  const left =
    before === undefined || before === claim.host ? [] : await waitingFor(transaction, cluster, before)
  const wakes = [...step.wakes, ...left]
  return step.holder.uid === uid ? { held: true, wakes } : { held: false, holder: step.holder, wakes }
}

/** Locks a host until the transaction ends: those who ask for it wait for each other. */
async function lockHost(
  transaction: Transaction<Schema>,
  { cluster, host }: Pick<HostClaim, 'cluster' | 'host'>,
): Promise<void> {
  await lockName(transaction, `host:${cluster}:${host}`)
}

async function readOwnHost(
  transaction: Transaction<Schema>,
  { uid, cluster }: Pick<HostClaim, 'uid' | 'cluster'>,
): Promise<string | undefined> {
  const own = await transaction
    .selectFrom('challenge_operator.host_claim')
    .select('host')
    .where('uid', '=', uid)
    .where('cluster', '=', cluster)
    .executeTakeFirst()
  return own?.host
}

/** Reads all claims of a host, the oldest first. */
async function readClaims(
  transaction: Transaction<Schema>,
  { cluster, host }: Pick<HostClaim, 'cluster' | 'host'>,
): Promise<KnownClaim[]> {
  const { rows } = await sql<Omit<KnownClaim, 'createdAt'> & { createdAt: Date }>`
    SELECT uid, namespace, name, state, created_at AS "createdAt", ${isLive} AS live
    FROM challenge_operator.host_claim claim WHERE cluster = ${cluster} AND host = ${host}`.execute(
    transaction,
  )
  return rows.map(row => ({ ...row, createdAt: row.createdAt.getTime() }))
}

async function writeStep(
  transaction: Transaction<Schema>,
  { uid, cluster, host, namespace, name, createdAt }: HostClaim,
  { state, dead, displaced }: ClaimStep,
): Promise<void> {
  const others = (uids: readonly string[]) => sql`uid = ANY(${uids}::text[]) AND cluster = ${cluster}`
  if (dead.length > 0)
    await sql`DELETE FROM challenge_operator.host_claim WHERE ${others(dead)}`.execute(transaction)
  // First, because the index allows one held claim of a host.
  if (displaced.length > 0)
    await sql`
      UPDATE challenge_operator.host_claim SET state = 'displaced' WHERE ${others(displaced)}`.execute(
      transaction,
    )
  await sql`
    INSERT INTO challenge_operator.host_claim (uid, cluster, host, namespace, name, created_at, state)
    VALUES (${uid}, ${cluster}, ${host}, ${namespace}, ${name}, ${new Date(createdAt).toISOString()}, ${state})
    ON CONFLICT (uid, cluster) DO UPDATE SET host = excluded.host, namespace = excluded.namespace,
      name = excluded.name, created_at = excluded.created_at, state = excluded.state, claimed_at = now()`.execute(
    transaction,
  )
}

interface ReleasedBy {
  uid: string
  /** Undefined: of any cluster. */
  cluster?: string | null
  /** Undefined: of any namespace. */
  namespace?: string
}

/** Gives up the claim of an instance. */
export async function releaseHostIn(
  transaction: Transaction<Schema>,
  { uid, cluster, namespace }: ReleasedBy,
): Promise<Wakes> {
  const ofCluster = cluster === undefined ? sql`true` : sql`cluster = ${cluster}`
  const ofNamespace = namespace === undefined ? sql`true` : sql`namespace = ${storable(namespace)}`
  const { rows } = await sql<{ cluster: string; host: string }>`
    DELETE FROM challenge_operator.host_claim
    WHERE uid = ${storable(uid)} AND ${ofCluster} AND ${ofNamespace} RETURNING cluster, host`.execute(
    transaction,
  )
  const wakes: InstanceKey[] = []
  for (const { cluster, host } of rows) wakes.push(...(await waitingFor(transaction, cluster, host)))
  return { wakes }
}

/** The instance that may take a host now, if it does not know that yet. */
async function waitingFor(
  transaction: Transaction<Schema>,
  cluster: string,
  host: string,
): Promise<InstanceKey[]> {
  return nextClaimant(await readClaims(transaction, { cluster, host }))
}

/** Deletes the claims that count no more because their instance has no open row. */
export async function deleteDeadClaims(transaction: Transaction<Schema>, cluster: string): Promise<void> {
  await sql`
    DELETE FROM challenge_operator.host_claim claim WHERE cluster = ${cluster} AND NOT ${isLive}`.execute(
    transaction,
  )
}
