import { type Kysely, sql } from 'kysely'

/**
 * Adds the cluster that a row belongs to, and the bus that an event is for. The cluster is null in the rows of earlier releases, until a pass of the living instance
 * writes it. The sweep reads the open rows of one cluster in pages by uid, so the index has both.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE challenge_operator.instance ADD COLUMN cluster text`.execute(db)
  await sql`
    CREATE INDEX instance_live_cluster ON challenge_operator.instance (cluster, uid)
    WHERE deleted_at IS NULL`.execute(db)
  await sql`ALTER TABLE challenge_operator.outbox ADD COLUMN bus text`.execute(db)
  await sql`DROP INDEX challenge_operator.instance_live`.execute(db)
}
