import { type RawBuilder, sql, type Transaction } from 'kysely'
import { sqlState } from './errors.ts'
import type { PlatformStatus, Schema } from './schema.ts'
import type { PlatformProblem } from './store.ts'

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
export async function lockPair(transaction: Transaction<Schema>, { teamId, template }: Pair): Promise<void> {
  const key = `challenge-operator:${teamId}:${template}`
  await sql`SELECT pg_advisory_xact_lock(hashtextextended(${key}, 0))`.execute(transaction)
}

interface Mirrored {
  challenge_id: string
  /** Of the newest live instance, null where none lives. */
  uid: string | null
  status: PlatformStatus
  endpoint_url: string
  url_too_long: boolean
  /** The row that is there, null where there is none. */
  id: string | null
  says_so: boolean
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
    const written = !row.says_so && (row.id !== null || row.uid !== null)
    if (written) await writeAndTell(pair, row).execute(transaction)
    const urlTooLongOf = row.url_too_long ? (row.uid ?? undefined) : undefined
    return { written, challengeKnown: true, urlTooLongOf }
  } catch (cause) {
    throw sqlState(cause) === undefined ? cause : new PlatformRowRefused('platform row', { cause })
  }
}

function mirrored({ teamId, template }: Pair): RawBuilder<Mirrored> {
  return sql`
    SELECT wanted.*, theirs.id, (theirs.status, theirs.endpoint_url)
      IS NOT DISTINCT FROM (wanted.status, wanted.endpoint_url) AS says_so
    FROM (
      SELECT challenge.id AS challenge_id, newest.uid, ${statusOf(sql.ref('newest.phase'))} AS status,
        ${endpointOf(sql.ref('newest.url'))} AS endpoint_url,
        coalesce(char_length(newest.url) > ${sql.lit(urlLimit)}, false) AS url_too_long
      FROM challenges_challenge challenge
      LEFT JOIN LATERAL (${newestOf(sql`${teamId}::bigint`, sql`${template}::text`)}) newest ON true
      WHERE challenge.slug = ${template}::text
    ) wanted
    LEFT JOIN LATERAL (${rowOf(sql`${teamId}::bigint`, sql.ref('wanted.challenge_id'))}) theirs ON true`
}

function writeAndTell(
  { teamId }: Pair,
  { id, challenge_id, status, endpoint_url }: Mirrored,
): RawBuilder<unknown> {
  const write = id
    ? sql`UPDATE challenges_teamserviceinstance SET status = ${status}, endpoint_url = ${endpoint_url} WHERE id = ${id}`
    : sql`
        INSERT INTO challenges_teamserviceinstance
          (team_id, challenge_id, status, endpoint_url, created_at, last_check_at)
        VALUES (${teamId}, ${challenge_id}, ${status}, ${endpoint_url}, now(), NULL)`
  return sql`
    WITH written AS (${write} RETURNING id, team_id, challenge_id, status, endpoint_url)
    SELECT pg_notify('team_service_instance', row_to_json(written)::text) FROM written`
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
