import { type Kysely, sql } from 'kysely'

/**
 * Adds since when the rows of a cluster are known to be whole, and in which database that was found. A database that was lost
 * or restored is another one.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE challenge_operator.whole_cluster (
      cluster text PRIMARY KEY,
      database text NOT NULL,
      since timestamptz NOT NULL
    )`.execute(db)
}
