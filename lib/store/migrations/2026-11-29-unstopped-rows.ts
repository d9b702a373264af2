import { type Kysely, sql } from 'kysely'

/** Adds an index for the closed rows whose platform row could not be written. There are few of them, or none. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE INDEX instance_closed_without_platform ON challenge_operator.instance (cluster)
    WHERE deleted_at IS NOT NULL AND platform_problem = 'PlatformTablesMissing'`.execute(db)
}
