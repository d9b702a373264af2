import { type RawBuilder, sql, type Transaction } from 'kysely'
import { sharedTeam } from '../crd/challenge-instance.ts'
import type { PlatformProblem } from '../reasons.ts'
import { lockName } from './advisory-lock.ts'
import { endsSession, sqlState } from './errors.ts'
import type { PlatformStatus, Schema } from './schema.ts'

/** A team and a challenge. The platform has one row for each. */
export interface Pair {
  teamId: string
  template: string
}

/** Width of the platform's `endpoint_url`, in characters. */
const urlLimit = 200

/** A statement on the platform's tables failed, and its transaction with it. */
export class PlatformRowRefused extends Error {
  override readonly name = 'PlatformRowRefused'
}

/** Locks a team and challenge until the transaction ends: its writers wait for each other. */
export async function lockPair(transaction: Transaction<Schema>, pair: Pair): Promise<void> {
  await lockName(transaction, `${pair.teamId}:${pair.template}`)
}

interface MirroredPair {
  /** Uid of the newest open instance, null if there is none. */
  uid: string | null
  url_too_long: boolean
}

/**
 * Lets the platform's row of a team and challenge follow the newest open instance of the pair. A change notifies the
 * listeners of `team_service_instance` with `{id, team_id, challenge_id, status, endpoint_url}`. If the platform has
 * duplicates, the row with the lowest id is written. A row without a difference is not written, and `last_check_at` never.
 * The team 0 is none of the platform's.
 * @param uid the instance whose problem is returned
 * @returns the reason why the row does not show this instance as it is
 * @throws PlatformRowRefused
 */
export async function mirrorPair(
  transaction: Transaction<Schema>,
  pair: Pair,
  uid: string,
): Promise<Extract<PlatformProblem, 'ChallengeUnknown' | 'UrlTooLong'> | undefined> {
  if (Number(pair.teamId) === sharedTeam) return undefined
  try {
    const [row] = (await mirrorStatement(pair).execute(transaction)).rows
    if (row === undefined) return 'ChallengeUnknown'
    return row.url_too_long && row.uid === uid ? 'UrlTooLong' : undefined
  } catch (cause) {
    throw isOfWholeServer(cause) ? cause : new PlatformRowRefused('platform row', { cause })
  }
}

/**
 * One statement, since a transition waits for each round trip. It returns no row if the platform does not know the
 * challenge. The last SELECT reads `notified` because Postgres runs a SELECT of a WITH only if something reads it.
 */
function mirrorStatement({ teamId, template }: Pair): RawBuilder<MirroredPair> {
  const columns = sql`mirror.id, mirror.team_id, mirror.challenge_id, mirror.status, mirror.endpoint_url`
  return sql`
    WITH wanted AS (
      SELECT challenge.id AS challenge_id, newest.uid, ${statusOf(sql.ref('newest.phase'))} AS status,
        ${endpointOf(sql.ref('newest.url'))} AS endpoint_url,
        coalesce(char_length(newest.url) > ${sql.lit(urlLimit)}, false) AS url_too_long
      FROM challenges_challenge challenge
      LEFT JOIN LATERAL (${newestOf(sql`${teamId}::bigint`, sql`${template}::text`)}) newest ON true
      WHERE challenge.slug = ${template}::text
    ), platform_row AS (
      SELECT mirror.id FROM wanted, LATERAL (${rowOf(sql`${teamId}::bigint`, sql.ref('wanted.challenge_id'))}) mirror
    ), updated AS (
      UPDATE challenges_teamserviceinstance mirror
      SET status = wanted.status, endpoint_url = wanted.endpoint_url FROM wanted, platform_row
      WHERE mirror.id = platform_row.id
        AND (mirror.status, mirror.endpoint_url) IS DISTINCT FROM (wanted.status, wanted.endpoint_url)
      RETURNING ${columns}
    ), inserted AS (
      INSERT INTO challenges_teamserviceinstance AS mirror
        (team_id, challenge_id, status, endpoint_url, created_at, last_check_at)
      SELECT ${teamId}::bigint, challenge_id, status, endpoint_url, now(), NULL FROM wanted
      WHERE uid IS NOT NULL AND NOT EXISTS (SELECT FROM platform_row)
      RETURNING ${columns}
    ), notified AS (
      SELECT pg_notify('team_service_instance', row_to_json(written)::text) AS notice
      FROM (SELECT * FROM updated UNION ALL SELECT * FROM inserted) written
    )
    SELECT uid, url_too_long, (SELECT count(notice) FROM notified) AS notices FROM wanted`
}

/** Classes of SQLSTATE that concern the whole server: transactions, deadlocks, space, locks, cancellation, its system. */
const serverStates = /^(25|40|53|55|57|58|XX)/

/** True for an error that does not concern the platform's tables. */
function isOfWholeServer(thrown: unknown): boolean {
  const state = sqlState(thrown)
  return state === undefined || endsSession(thrown) || serverStates.test(state)
}

/**
 * Returns the platform's problem that made a transaction fail, or undefined if it failed for another reason. Foreign keys
 * are checked at commit, so an unknown team shows only then. Every other refusal of the platform's tables (no rights,
 * other columns than promised, a trigger of the platform) counts as `PlatformTablesMissing`.
 */
export function platformProblemOf(thrown: unknown): PlatformProblem | undefined {
  const refused = thrown instanceof PlatformRowRefused
  const cause = (refused ? thrown.cause : thrown) as { table?: string; detail?: string; constraint?: string }
  const state = sqlState(cause)
  if (state === '23503' && (refused || cause.table === 'challenges_teamserviceinstance'))
    return /team_id/.test(`${cause.constraint} ${cause.detail}`) ? 'TeamUnknown' : 'ChallengeUnknown'
  return refused ? 'PlatformTablesMissing' : undefined
}

/**
 * Selects the newest open instance of a pair, by creation, then by uid. A terminating instance is selected only if there
 * is no other, because an older one that still serves is what the team has.
 */
export function newestOf(teamId: RawBuilder<unknown>, template: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`
    SELECT uid, phase, url FROM challenge_operator.instance
    WHERE team_id = ${teamId} AND template = ${template} AND deleted_at IS NULL
    ORDER BY phase = 'Terminating', created_at DESC, uid DESC LIMIT 1`
}

/** Selects the platform's row of a pair: the one with the lowest id. */
export function rowOf(teamId: RawBuilder<unknown>, challengeId: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`
    SELECT id, status, endpoint_url FROM challenges_teamserviceinstance
    WHERE team_id = ${teamId} AND challenge_id = ${challengeId} ORDER BY id LIMIT 1`
}

/** The platform's status for a phase. No instance at all is `stopped`. */
export function statusOf(phase: RawBuilder<unknown>): RawBuilder<PlatformStatus> {
  return sql`
    CASE ${phase} WHEN 'Pending' THEN 'pending' WHEN 'Provisioning' THEN 'pending' WHEN 'Ready' THEN 'running'
      WHEN 'Failed' THEN 'error' ELSE 'stopped' END`
}

/** The address, or an empty text if there is none or the platform's column is too short for it. */
export function endpointOf(url: RawBuilder<unknown>): RawBuilder<string> {
  return sql`CASE WHEN char_length(${url}) <= ${sql.lit(urlLimit)} THEN ${url} ELSE '' END`
}
