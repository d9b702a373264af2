import { type RawBuilder, sql } from 'kysely'
import type { OperatorConfig } from '../config/operator.ts'
import { sharedTeam } from '../crd/challenge-instance.ts'
import { deleteDeadClaims } from './claim-host.ts'
import { type Database, inTransaction } from './database.ts'
import { sqlState } from './errors.ts'
import { endpointOf, newestOf, rowOf, statusOf } from './platform-rows.ts'
import type { OpenRow, RowScope } from './store.ts'
import { isWatched } from './watched.ts'

type Row = Omit<OpenRow, 'reason' | 'url' | 'digest' | 'workloadNamespace' | 'lastActiveAt'> & {
  reason: OpenRow['reason'] | null
  url: string | null
  digest: string | null
  workloadNamespace: string | null
  lastActiveAt: Date | null
}

const pageSize = 500

/** Without a platform, every row is in step. */
type Pages = RowScope & Pick<OperatorConfig, 'platform'>

/**
 * Yields the open rows of a scope by uid, in pages, and last those closed rows that the platform shows as open. A row with a recorded `platform_problem` (except `UrlTooLong`) counts as in step,
 * because its instance already retries on a timer. When the platform's tables cannot be read, every other row counts as
 * out of step; the next `record` then stores the problem. After the last page, dead claims of hosts are deleted.
 */
export async function* openRowPages(
  db: Database,
  scope: Pages,
  signal: AbortSignal,
): AsyncGenerator<OpenRow[]> {
  let after = ''
  for (;;) {
    const page = await readPage(db, { scope, after }, signal)
    const last = page.at(-1)
    if (last === undefined) break
    yield page.map(rowOfPage)
    if (page.length < pageSize) break
    after = last.uid
  }
  const unstopped = scope.platform === 'none' ? [] : await readUnstopped(db, scope, signal)
  if (unstopped.length > 0) yield unstopped.map(rowOfPage)
  await inTransaction(db, transaction => deleteDeadClaims(transaction, scope.cluster), signal)
}

function rowOfPage({ reason, url, digest, workloadNamespace, lastActiveAt, ...row }: Row): OpenRow {
  return {
    ...row,
    reason: reason ?? undefined,
    url: url ?? undefined,
    digest: digest ?? undefined,
    workloadNamespace: workloadNamespace ?? undefined,
    lastActiveAt: lastActiveAt?.getTime(),
  }
}

/** The columns of a page, but for `platformInStep`. */
const ownColumns = sql`
  own.uid, own.namespace, own.name, own.phase, own.reason, own.url, own.digest, own.sequence,
  own.workload_namespace AS "workloadNamespace", own.last_active_at AS "lastActiveAt"`

/** A few in each sweep: while the platform's tables refuse every write, their passes have no effect. */
const unstoppedRows = 20

/**
 * Reads rows that were closed while the platform's tables refused the write, and whose platform row still differs. None if
 * the tables cannot be read.
 */
async function readUnstopped(db: Database, scope: RowScope, signal: AbortSignal): Promise<Row[]> {
  const query = sql<Row>`
    SELECT ${ownColumns}, false AS "platformInStep"
    FROM challenge_operator.instance own
    JOIN challenges_challenge challenge ON challenge.slug = own.template
    JOIN LATERAL (${rowOf(sql.ref('own.team_id'), sql.ref('challenge.id'))}) platform_row ON true
    LEFT JOIN LATERAL (${newestOf(sql.ref('own.team_id'), sql.ref('own.template'))}) newest ON true
    WHERE own.deleted_at IS NOT NULL AND own.platform_problem = 'PlatformTablesMissing'
      AND ${isInScope(scope)} AND (platform_row.status, platform_row.endpoint_url)
        IS DISTINCT FROM (${statusOf(sql.ref('newest.phase'))}, ${endpointOf(sql.ref('newest.url'))})
    ORDER BY random() LIMIT ${sql.lit(unstoppedRows)}`
  try {
    return await inTransaction(db, async transaction => (await query.execute(transaction)).rows, signal)
  } catch (thrown) {
    if (!/^42/.test(sqlState(thrown) ?? '')) throw thrown
    return []
  }
}

async function readPage(
  db: Database,
  page: { scope: Pages; after: string },
  signal: AbortSignal,
): Promise<Row[]> {
  const read = (inStep: RawBuilder<boolean>, joins: RawBuilder<unknown>) =>
    inTransaction(
      db,
      async transaction => (await pageQuery({ ...page, inStep, joins }).execute(transaction)).rows,
      signal,
    )
  if (page.scope.platform === 'none') return read(sql<boolean>`true`, sql``)
  try {
    return await read(platformRowMatches, platformRowJoins)
  } catch (thrown) {
    // Class 42: a table or column is missing, or the role may not read it.
    if (!/^42/.test(sqlState(thrown) ?? '')) throw thrown
    return read(noPlatformRow, sql``)
  }
}

interface PageQuery {
  scope: RowScope
  /** The uid of the last row of the page before. */
  after: string
  inStep: RawBuilder<boolean>
  joins: RawBuilder<unknown>
}

function isInScope({ cluster, namespaces }: RowScope): RawBuilder<boolean> {
  return sql`cluster = ${cluster} AND ${isWatched(sql`namespace`, namespaces)}`
}

function pageQuery({ scope, after, inStep, joins }: PageQuery) {
  return sql<Row>`
    SELECT ${ownColumns}, ${inStep} AS "platformInStep"
    FROM (
      SELECT * FROM challenge_operator.instance
      WHERE deleted_at IS NULL AND ${isInScope(scope)} AND uid > ${after} ORDER BY uid LIMIT ${sql.lit(pageSize)}
    ) own ${joins}
    ORDER BY own.uid`
}

/**
 * Whether it is known that the platform has no row to be compared. `UrlTooLong` does not count: the platform then has a row
 * without the address, and that row can be compared.
 */
const noPlatformRow = sql<boolean>`(
  own.team_id = ${sql.lit(sharedTeam)} OR coalesce(own.platform_problem, 'UrlTooLong') <> 'UrlTooLong'
)`

/** An older instance of a pair has no row of its own on the platform, so nothing about it can differ. */
const platformRowMatches = sql<boolean>`(
  ${noPlatformRow} OR newest.uid <> own.uid OR (platform_row.status, platform_row.endpoint_url)
    IS NOT DISTINCT FROM (${statusOf(sql.ref('own.phase'))}, ${endpointOf(sql.ref('own.url'))})
)`

const platformRowJoins = sql`
  CROSS JOIN LATERAL (${newestOf(sql.ref('own.team_id'), sql.ref('own.template'))}) newest
  LEFT JOIN challenges_challenge challenge ON challenge.slug = own.template
  LEFT JOIN LATERAL (${rowOf(sql.ref('own.team_id'), sql.ref('challenge.id'))}) platform_row ON true`
