import { type Kysely, sql } from 'kysely'

/**
 * Adds the hosts that instances ask for. An instance has one claim at most. A claim is older than the row of its instance,
 * which the end of the first pass writes, so it refers to no row.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE challenge_operator.host_claim (
      uid text NOT NULL,
      cluster text NOT NULL,
      host text NOT NULL,
      namespace text NOT NULL,
      name text NOT NULL,
      created_at timestamptz NOT NULL,
      claimed_at timestamptz NOT NULL DEFAULT now(),
      state text NOT NULL CHECK (state IN ('held', 'waiting', 'displaced')),
      PRIMARY KEY (uid, cluster)
    )`.execute(db)
  await sql`
    CREATE UNIQUE INDEX host_claim_held ON challenge_operator.host_claim (cluster, host)
    WHERE state = 'held'`.execute(db)
  await sql`
    CREATE INDEX host_claim_age ON challenge_operator.host_claim (cluster, host, created_at, uid)`.execute(db)
}
