import { type Kysely, sql } from 'kysely'

/** Adds the digest of what a row was written from. It is null in the rows of earlier releases. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE challenge_operator.instance ADD COLUMN digest text`.execute(db)
}
