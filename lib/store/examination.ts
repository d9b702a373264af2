import { sql } from 'kysely'
import type { OperatorConfig } from '../config/operator.ts'
import type { Finding } from '../doctor/check.ts'
import { type Database, inTransaction } from './database.ts'
import { storeError } from './errors.ts'

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

/**
 * Reports whether the database is ready for the operator.
 * @param options `newestMigration`: the name of the newest migration of this release
 * @throws OperatorError `DatabaseUnavailable`
 */
export async function examineFor(
  db: Database,
  { newestMigration }: { newestMigration: string },
  signal: AbortSignal,
): Promise<Examination> {
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
          SELECT 1 FROM challenge_operator.kysely_migration WHERE name >= ${newestMigration}`.execute(
          transaction,
        )
        return { ...found, migrated: run.length > 0 }
      },
      signal,
    )
  } catch (thrown) {
    throw storeError(thrown, signal)
  }
}

/** Says whether the tables are there and may be written. */
export function tablesFinding(
  { migrated, platformTables, mayWritePlatform }: Examination,
  platform: OperatorConfig['platform'],
): Finding {
  if (!migrated)
    return {
      problem: "the operator's tables are missing or older than this version",
      remedy: 'run: npx challenge-operator migrate',
    }
  if (platform === 'none')
    return { fine: "the operator's tables exist; OPERATOR_PLATFORM=none leaves the platform's alone" }
  if (!platformTables)
    return {
      problem: "the platform's tables do not exist in this database (PlatformTablesMissing)",
      remedy:
        "migrate the platform, point DATABASE_URL at the platform's database, or set OPERATOR_PLATFORM=none",
    }
  if (!mayWritePlatform)
    return {
      problem: 'the user of DATABASE_URL may not write to challenges_teamserviceinstance',
      remedy: 'grant SELECT, INSERT and UPDATE on that table to the user of DATABASE_URL',
    }
  return { fine: "the operator's tables and the platform's exist" }
}
