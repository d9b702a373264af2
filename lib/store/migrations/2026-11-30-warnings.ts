import { type Kysely, sql } from 'kysely'

/** Adds the end of which the platform was warned, so that each end is told of once. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE challenge_operator.instance ADD COLUMN warned_of timestamptz`.execute(db)
}
