import { type Kysely, sql } from 'kysely'

/**
 * Adds the namespace of an instance's workload. It is null in the rows of earlier releases, whose workloads all ran beside
 * their instances.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE challenge_operator.instance ADD COLUMN workload_namespace text`.execute(db)
}
