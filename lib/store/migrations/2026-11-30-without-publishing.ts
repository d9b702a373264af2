import { type Kysely, sql } from 'kysely'

/** Adds an index for the events that are old enough to be deleted where nothing is published. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE INDEX outbox_unpublished_age ON challenge_operator.outbox (cluster, created_at)
    WHERE published_at IS NULL`.execute(db)
}
