import { sql } from 'kysely'
import { type Database, inTransaction } from './database.ts'
import { storeError } from './errors.ts'
import { migrations } from './migrations.ts'

export interface Examination {
  /** Our tables exist, in this version or a newer one. */
  migrated: boolean
  /** Every table of the platform that we read or write exists. */
  platformTables: boolean
  /** The role has every right that we need on the platform's tables. */
  mayWritePlatform: boolean
  /** The server's clock, epoch milliseconds. */
  epochMs: number
}

/** Reports whether the database is ready for the operator. @throws OperatorError `DatabaseUnavailable` */
export async function examine(db: Database, signal: AbortSignal): Promise<Examination> {
  const newest = Object.keys(migrations).sort().at(-1) ?? ''
  try {
    return await inTransaction(
      db,
      async transaction => {
        const { rows } = await sql<Examination>`
          SELECT to_regclass('challenge_operator.kysely_migration') IS NOT NULL AS migrated,
            to_regclass('challenges_challenge') IS NOT NULL AND to_regclass('challenges_teamserviceinstance')
              IS NOT NULL AS "platformTables",
            extract(epoch FROM clock_timestamp())::float8 * 1000 AS "epochMs",
            coalesce(bool_and(has_table_privilege(to_regclass(name), privilege)), false) AS "mayWritePlatform"
          FROM (VALUES ('challenges_challenge', 'SELECT'), ('challenges_teamserviceinstance', 'SELECT'),
            ('challenges_teamserviceinstance', 'INSERT'), ('challenges_teamserviceinstance', 'UPDATE')
          ) needed (name, privilege)`.execute(transaction)
        const [found] = rows
        if (found === undefined) throw new Error('the database returned no row')
        if (!found.migrated) return found
        const { rows: run } = await sql`
          SELECT 1 FROM challenge_operator.kysely_migration WHERE name >= ${newest}`.execute(transaction)
        return { ...found, migrated: run.length > 0 }
      },
      signal,
    )
  } catch (thrown) {
    throw storeError(thrown, signal)
  }
}
