import { sql } from 'kysely'
import type { Phase } from '../crd/challenge-instance.ts'
import { type Database, inTransaction } from './database.ts'
import { storeError } from './errors.ts'
import type { RowsOfCluster } from './wholeness.ts'

/** An open row as a person judges it. */
export interface RowToJudge {
  uid: string
  namespace: string
  name: string
  teamId: string
  template: string
  phase: Phase
  createdAt: Date
}

const pageSize = 500

/** Counts the open rows by their cluster, the largest number first. @throws OperatorError */
export async function countOpenRows(db: Database, signal: AbortSignal): Promise<RowsOfCluster[]> {
  return rowsOf<RowsOfCluster>(
    db,
    sql`
      SELECT cluster, count(*)::integer AS rows, max(created_at) AS newest
      FROM challenge_operator.instance WHERE deleted_at IS NULL GROUP BY cluster ORDER BY rows DESC, cluster`,
    signal,
  )
}

/** Yields the open rows that name a cluster, or none, by uid in pages. @throws OperatorError */
export async function* openRowsOf(
  db: Database,
  cluster: string | null,
  signal: AbortSignal,
): AsyncGenerator<RowToJudge[]> {
  for (let after: string | undefined = ''; after !== undefined; ) {
    const page: RowToJudge[] = await rowsOf<RowToJudge>(
      db,
      sql`
        SELECT uid, namespace, name, team_id AS "teamId", template, phase, created_at AS "createdAt"
        FROM challenge_operator.instance
        WHERE deleted_at IS NULL AND uid > ${after} AND cluster IS NOT DISTINCT FROM ${cluster}
        ORDER BY uid LIMIT ${sql.lit(pageSize)}`,
      signal,
    )
    if (page.length > 0) yield page
    after = page.length < pageSize ? undefined : page.at(-1)?.uid
  }
}

async function rowsOf<T>(
  db: Database,
  query: ReturnType<typeof sql<unknown>>,
  signal: AbortSignal,
): Promise<T[]> {
  try {
    return await inTransaction(
      db,
      async transaction => (await query.execute(transaction)).rows as T[],
      signal,
    )
  } catch (thrown) {
    throw storeError(thrown, signal)
  }
}
