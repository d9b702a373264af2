import { type Kysely, sql } from 'kysely'

/**
 * Adds to a closed row whether the teardown of its instance had come to its end. An instance that lives after that was
 * brought back by a restore of etcd.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE challenge_operator.instance ADD COLUMN torn_down boolean NOT NULL DEFAULT false`.execute(
    db,
  )
}
