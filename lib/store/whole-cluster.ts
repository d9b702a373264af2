import { sql, type Transaction } from 'kysely'
import type { Schema } from './schema.ts'

/**
 * Names the database as it is now. A restored one runs on a server that was started since, or its table has another file. A
 * failover counts too: the last transactions of the former server may be lost.
 */
const database = sql<string>`concat_ws(' ', extract(epoch FROM pg_postmaster_start_time()),
  pg_relation_filenode('challenge_operator.instance'))`

/** Implements `Wholeness.rowsWholeSince` within a transaction. */
export async function readWholeSince(
  transaction: Transaction<Schema>,
  cluster: string,
): Promise<number | undefined> {
  const { rows } = await sql<{ since: Date | null }>`
    SELECT since FROM challenge_operator.whole_cluster WHERE cluster = ${cluster} AND database = ${database}`.execute(
    transaction,
  )
  return rows[0]?.since?.getTime()
}

/** Implements `Wholeness.rowsIncompleteForMs` within a transaction. */
export async function incompleteForMsIn(transaction: Transaction<Schema>, cluster: string): Promise<number> {
  const { rows } = await sql<{ seconds: number }>`
    INSERT INTO challenge_operator.whole_cluster AS known (cluster, database, incomplete_since)
    VALUES (${cluster}, ${database}, now())
    ON CONFLICT (cluster) DO UPDATE SET
      database = excluded.database,
      since = NULL,
      incomplete_since = CASE WHEN known.database = excluded.database AND known.since IS NULL
        THEN known.incomplete_since ELSE excluded.incomplete_since END
    RETURNING extract(epoch FROM now() - incomplete_since)::float8 AS seconds`.execute(transaction)
  return Math.max(0, Math.round((rows[0]?.seconds ?? 0) * 1_000))
}

/** Implements `Wholeness.markRowsWhole` within a transaction. */
export async function markWholeIn(transaction: Transaction<Schema>, cluster: string): Promise<number> {
  const { rows } = await sql<{ since: Date }>`
    INSERT INTO challenge_operator.whole_cluster (cluster, database, since) VALUES (${cluster}, ${database}, now())
    ON CONFLICT (cluster) DO UPDATE SET
      database = excluded.database, since = excluded.since, incomplete_since = NULL
    RETURNING since`.execute(transaction)
  return rows[0]?.since.getTime() ?? Date.now()
}
