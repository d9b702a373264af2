import { type Kysely, sql } from 'kysely'

/**
 * Adds when an instance was admitted under the limits, since when it waits for room, and the limit of its template. They
 * are null in every row while there is no limit.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE challenge_operator.instance
      ADD COLUMN admitted_at timestamptz, ADD COLUMN queued_at timestamptz, ADD COLUMN max_instances integer`.execute(
    db,
  )
  await sql`
    CREATE INDEX instance_waiting ON challenge_operator.instance (cluster)
    WHERE deleted_at IS NULL AND queued_at IS NOT NULL`.execute(db)
}
