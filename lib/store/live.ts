import { type RawBuilder, sql } from 'kysely'
import { type Database, inTransaction } from './database.ts'
import { sqlState } from './errors.ts'
import { endpointOf, newestOf, rowOf, statusOf } from './platform-rows.ts'
import type { LiveRow } from './store.ts'

type Row = Omit<LiveRow, 'reason' | 'url'> & { reason: LiveRow['reason'] | null; url: string | null }

const pageSize = 500

/**
 * Rows not closed, by uid, in pages. In step is also a row whose problem with the platform is recorded: its instance
 * comes back for it by itself, and would be enqueued by every sweep for nothing. Where the platform's tables are not
 * there, the others are not in step: their next record finds out, and says so.
 */
export async function* livePages(db: Database, signal: AbortSignal): AsyncGenerator<LiveRow[]> {
  let after = ''
  for (;;) {
    const page = await readPage(db, after, signal)
    const last = page.at(-1)
    if (last === undefined) return
    yield page.map(({ reason, url, ...row }) => ({
      ...row,
      reason: reason ?? undefined,
      url: url ?? undefined,
    }))
    if (page.length < pageSize) return
    after = last.uid
  }
}

async function readPage(db: Database, after: string, signal: AbortSignal): Promise<Row[]> {
  const read = (inStep: RawBuilder<boolean>, joins: RawBuilder<unknown>) =>
    inTransaction(
      db,
      async transaction => (await query(after, inStep, joins).execute(transaction)).rows,
      signal,
    )
  try {
    return await read(mirrors, platformRow)
  } catch (thrown) {
    if (!/^42/.test(sqlState(thrown) ?? '')) throw thrown
    return read(excused, sql``)
  }
}

function query(after: string, inStep: RawBuilder<boolean>, joins: RawBuilder<unknown>) {
  return sql<Row>`
    SELECT own.uid, own.namespace, own.name, own.phase, own.reason, own.url, ${inStep} AS "platformInStep"
    FROM (
      SELECT * FROM challenge_operator.instance
      WHERE deleted_at IS NULL AND uid > ${after} ORDER BY uid LIMIT ${sql.lit(pageSize)}
    ) own ${joins}
    ORDER BY own.uid`
}

const excused = sql<boolean>`coalesce(own.platform_problem, 'UrlTooLong') <> 'UrlTooLong'`

const mirrors = sql<boolean>`(
  ${excused} OR newest.uid <> own.uid OR (theirs.status, theirs.endpoint_url)
    IS NOT DISTINCT FROM (${statusOf(sql.ref('own.phase'))}, ${endpointOf(sql.ref('own.url'))})
)`

const platformRow = sql`
  CROSS JOIN LATERAL (${newestOf(sql.ref('own.team_id'), sql.ref('own.template'))}) newest
  LEFT JOIN challenges_challenge challenge ON challenge.slug = own.template
  LEFT JOIN LATERAL (${rowOf(sql.ref('own.team_id'), sql.ref('challenge.id'))}) theirs ON true`
