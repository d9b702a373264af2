import { type Kysely, sql } from 'kysely'

/** Adds the time before which an event that the bus refused is not published again. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE challenge_operator.outbox ADD COLUMN retry_at timestamptz`.execute(db)
}
