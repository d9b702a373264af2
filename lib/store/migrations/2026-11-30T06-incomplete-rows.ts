import { type Kysely, sql } from 'kysely'

/** Adds since when sweeps have found rows of a cluster missing. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE challenge_operator.whole_cluster
      ALTER COLUMN since DROP NOT NULL,
      ADD COLUMN incomplete_since timestamptz`.execute(db)
}
