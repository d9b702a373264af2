import { createHash } from 'node:crypto'
import { type RawBuilder, sql, type Transaction } from 'kysely'
import type { PlatformProblem } from '../reasons.ts'
import { sqlState } from './errors.ts'
import type { PlatformStatus, Schema } from './schema.ts'

export interface Pair {
  teamId: string
  template: string
}

/** Width of the platform's `endpoint_url`, in characters. */
const urlLimit = 200

/** A statement on the platform's tables failed; the transaction with it. */
export class PlatformRowRefused extends Error {
  override readonly name = 'PlatformRowRefused'
}

/** Makes all writers of one team and challenge wait for each other until their transactions end. */
export async function lockPair(transaction: Transaction<Schema>, pair: Pair): Promise<void> {
  // Without parameters, so that it takes the beginning of the transaction along.
  await sql`SELECT pg_advisory_xact_lock(${sql.raw(lockKey(pair))})`.execute(transaction)
}

/** A signed integer of 64 bits, in decimal digits. */
function lockKey({ teamId, template }: Pair): string {
  const name = `challenge-operator:${teamId}:${template}`
  return createHash('sha256').update(name).digest().readBigInt64BE().toString()
}

interface Mirrored {
  /** Of the newest live instance, null where none lives. */
  uid: string | null
  url_too_long: boolean
  written: boolean
}

/**
 * Makes the platform's row of a team and challenge say what the newest live instance of the pair says, and tells who
 * listens on `team_service_instance` (`{id, team_id, challenge_id, status, endpoint_url}`). Of duplicates that others
 * made, the one with the lowest id is ours. Writes nothing where nothing differs, and never `last_check_at`.
 * @throws PlatformRowRefused
 */
export async function mirrorPair(
  transaction: Transaction<Schema>,
  pair: Pair,
): Promise<{ written: boolean; challengeKnown: boolean; urlTooLongOf: string | undefined }> {
  try {
    const { rows } = await mirrored(pair).execute(transaction)
    const [row] = rows
    if (row === undefined) return { written: false, challengeKnown: false, urlTooLongOf: undefined }
    const urlTooLongOf = row.url_too_long ? (row.uid ?? undefined) : undefined
    return { written: row.written, challengeKnown: true, urlTooLongOf }
  } catch (cause) {
    throw sqlState(cause) === undefined ? cause : new PlatformRowRefused('platform row', { cause })
  }
}

/** No row where the platform does not know the challenge. One statement: a transition waits for each round trip. */
function mirrored({ teamId, template }: Pair): RawBuilder<Mirrored> {
  const columns = sql`mirror.id, mirror.team_id, mirror.challenge_id, mirror.status, mirror.endpoint_url`
  return sql`
    WITH wanted AS (
      SELECT challenge.id AS challenge_id, newest.uid, ${statusOf(sql.ref('newest.phase'))} AS status,
        ${endpointOf(sql.ref('newest.url'))} AS endpoint_url,
        coalesce(char_length(newest.url) > ${sql.lit(urlLimit)}, false) AS url_too_long
      FROM challenges_challenge challenge
      LEFT JOIN LATERAL (${newestOf(sql`${teamId}::bigint`, sql`${template}::text`)}) newest ON true
      WHERE challenge.slug = ${template}::text
    ), theirs AS (
      SELECT mirror.id FROM wanted, LATERAL (${rowOf(sql`${teamId}::bigint`, sql.ref('wanted.challenge_id'))}) mirror
    ), updated AS (
      UPDATE challenges_teamserviceinstance mirror
      SET status = wanted.status, endpoint_url = wanted.endpoint_url FROM wanted, theirs
      WHERE mirror.id = theirs.id
        AND (mirror.status, mirror.endpoint_url) IS DISTINCT FROM (wanted.status, wanted.endpoint_url)
      RETURNING ${columns}
    ), inserted AS (
      INSERT INTO challenges_teamserviceinstance AS mirror
        (team_id, challenge_id, status, endpoint_url, created_at, last_check_at)
      SELECT ${teamId}::bigint, challenge_id, status, endpoint_url, now(), NULL FROM wanted
      WHERE uid IS NOT NULL AND NOT EXISTS (SELECT FROM theirs)
      RETURNING ${columns}
    ), told AS (
      SELECT pg_notify('team_service_instance', row_to_json(written)::text) AS notice
      FROM (SELECT * FROM updated UNION ALL SELECT * FROM inserted) written
    )
    SELECT uid, url_too_long, (SELECT count(notice) FROM told) > 0 AS written FROM wanted`
}

/** Connections, deadlocks, space, locks, shutdowns: of the whole server, and tried again. */
const passing = /^(08|25|40|53|55|57|58|XX)/

/**
 * What a failed transaction says about the platform, undefined where it failed for another reason. Its foreign keys are
 * checked at commit, so the team is unknown only then. Whatever else the platform's tables refuse (no rights, columns
 * that are not as promised, a trigger of its own) counts as `PlatformTablesMissing`: they are not there for us.
 */
export function platformProblemOf(thrown: unknown): PlatformProblem | undefined {
  const refused = thrown instanceof PlatformRowRefused
  const cause = (refused ? thrown.cause : thrown) as { table?: string; detail?: string; constraint?: string }
  const state = sqlState(cause)
  if (state === '23503' && (refused || cause.table === 'challenges_teamserviceinstance'))
    return /team_id/.test(`${cause.constraint} ${cause.detail}`) ? 'TeamUnknown' : 'ChallengeUnknown'
  return refused && !passing.test(state ?? '') ? 'PlatformTablesMissing' : undefined
}

/**
 * Of the live instances of a pair the newest, by creation, then uid. One that is being torn down counts only while
 * there is no other: an older one that still serves is what the team has.
 */
export function newestOf(teamId: RawBuilder<unknown>, template: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`
    SELECT uid, phase, url FROM challenge_operator.instance
    WHERE team_id = ${teamId} AND template = ${template} AND deleted_at IS NULL
    ORDER BY phase = 'Terminating', created_at DESC, uid DESC LIMIT 1`
}

/** Of the platform's rows of a pair the one that is ours. */
export function rowOf(teamId: RawBuilder<unknown>, challengeId: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`
    SELECT id, status, endpoint_url FROM challenges_teamserviceinstance
    WHERE team_id = ${teamId} AND challenge_id = ${challengeId} ORDER BY id LIMIT 1`
}

/** The platform's word for a phase; for no instance at all too. */
export function statusOf(phase: RawBuilder<unknown>): RawBuilder<PlatformStatus> {
  return sql`
    CASE ${phase} WHEN 'Pending' THEN 'pending' WHEN 'Provisioning' THEN 'pending' WHEN 'Ready' THEN 'running'
      WHEN 'Failed' THEN 'error' ELSE 'stopped' END`
}

export function endpointOf(url: RawBuilder<unknown>): RawBuilder<string> {
  return sql`CASE WHEN char_length(${url}) <= ${sql.lit(urlLimit)} THEN ${url} ELSE '' END`
}
