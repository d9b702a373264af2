import { type Kysely, sql } from 'kysely'

/**
 * Adds what the history of an instance needs: the cluster that an event belongs to and the message of the status, which the
 * event bus does not get, and an index each for the events and the rows that are old enough to be deleted. Both are null
 * in the events of earlier releases, which go with their rows.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE challenge_operator.outbox ADD COLUMN cluster text, ADD COLUMN message text`.execute(
    db,
  )
  await sql`
    CREATE INDEX outbox_published ON challenge_operator.outbox (cluster, published_at)
    WHERE published_at IS NOT NULL`.execute(db)
  await sql`
    CREATE INDEX instance_closed ON challenge_operator.instance (cluster, deleted_at)
    WHERE deleted_at IS NOT NULL`.execute(db)
}
