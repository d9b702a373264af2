import { type RawBuilder, sql, type Transaction } from 'kysely'
import type { OldHistory, Pruned } from './history.ts'
import type { Schema } from './schema.ts'
import { isWatched } from './watched.ts'

/**
 * Events, and rows, that one call deletes. With a sweep every 15 s it is 2,000 a minute, the events of ten thousand
 * instances within an hour. The transaction takes some ten milliseconds.
 */
const batch = sql.lit(500)

/** Implements `History.prune` within a transaction. */
export async function pruneIn(
  transaction: Transaction<Schema>,
  { cluster, namespaces, days, unpublished }: OldHistory,
): Promise<Pruned> {
  const before = sql`now() - make_interval(days => ${days}::integer)`
  const wasPublished = sql`published_at IS NOT NULL AND published_at < ${before}`
  // Each of the two has an index.
  const isOld = unpublished
    ? sql`((${wasPublished}) OR (published_at IS NULL AND created_at < ${before}))`
    : wasPublished
  const events = await deletedBy(
    transaction,
    sql`
      DELETE FROM challenge_operator.outbox WHERE id IN (
        SELECT id FROM challenge_operator.outbox
        WHERE cluster = ${cluster} AND ${isOld}
          AND ${isWatched(sql`payload #>> '{key,namespace}'`, namespaces)}
        LIMIT ${batch} FOR UPDATE SKIP LOCKED
      ) RETURNING 1`,
  )
  const rows = await deletedBy(
    transaction,
    sql`
      WITH closed AS (
        DELETE FROM challenge_operator.instance WHERE uid IN (
          SELECT uid FROM challenge_operator.instance own
          WHERE cluster = ${cluster} AND deleted_at IS NOT NULL AND deleted_at < ${before}
            AND ${isWatched(sql`namespace`, namespaces)} AND NOT EXISTS (
              SELECT FROM challenge_operator.outbox event WHERE event.instance_uid = own.uid
                AND (event.cluster IS NOT NULL OR event.published_at IS NULL OR event.published_at >= ${before})
            )
          LIMIT ${batch} FOR UPDATE SKIP LOCKED
        ) RETURNING uid
      ), without_cluster AS (
        DELETE FROM challenge_operator.outbox WHERE instance_uid IN (SELECT uid FROM closed)
      )
      SELECT uid FROM closed`,
  )
  return { events, rows }
}

async function deletedBy(transaction: Transaction<Schema>, statement: RawBuilder<unknown>): Promise<number> {
  return (await statement.execute(transaction)).rows.length
}
