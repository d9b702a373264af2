import { sql } from 'kysely'
import { Migrator } from 'kysely/migration'
import { OperatorError } from '../errors.ts'
import type { Database } from './database.ts'
import { sqlState, storeError } from './errors.ts'
import { migrations } from './migrations.ts'

const schemaName = 'challenge_operator'

/** Held over everything Kysely does, since its own lock comes only after it made its tables. "challenge" in ASCII. */
const lockId = '7163371299412240997'

/**
 * Brings our own tables to this version; the platform's are never touched. Safe to repeat, and from two places at once:
 * the second waits and finds nothing to do. All or nothing.
 * @returns names of the migrations that were run
 * @throws OperatorError `Forbidden` where the role may not, `SchemaOutdated` where the database is newer than we are,
 *   `DatabaseUnavailable`
 */
export async function migrate(db: Database, signal: AbortSignal): Promise<string[]> {
  try {
    return await db.connection().execute(
      async connection => {
        await sql`SELECT pg_advisory_lock(${lockId}::bigint)`.execute(connection)
        try {
          const migrator = new Migrator({
            db: connection,
            provider: { getMigrations: async () => migrations },
            migrationTableSchema: schemaName,
          })
          const { error, results } = await migrator.migrateToLatest()
          if (error !== undefined) throw error
          return (results ?? []).map(result => result.migrationName)
        } finally {
          // Where the connection is gone, so is the lock.
          await sql`SELECT pg_advisory_unlock(${lockId}::bigint)`.execute(connection).catch(() => {})
        }
      },
      { signal },
    )
  } catch (thrown) {
    throw refusal(thrown) ?? storeError(thrown, signal)
  }
}

function refusal(thrown: unknown): OperatorError | undefined {
  const options = { fate: 'permanent', cause: thrown } as const
  if (sqlState(thrown) === '42501')
    return new OperatorError(
      'Forbidden',
      `the database role may not create or change the schema ${schemaName}; run migrate as a role with CREATE on the database, or create the schema and make the role its owner`,
      options,
    )
  // Kysely gives these no code.
  if (thrown instanceof Error && thrown.message.startsWith('corrupted migrations'))
    return new OperatorError(
      'SchemaOutdated',
      `the schema ${schemaName} was migrated by another version of the operator; use that version or a newer one`,
      options,
    )
  return undefined
}
