import { sql } from 'kysely'
import { Migrator } from 'kysely/migration'
import { OperatorError } from '../errors.ts'
import type { Database } from './database.ts'
import { sqlState, storeError } from './errors.ts'
import { migrations } from './migrations.ts'

const schemaName = 'challenge_operator'

/**
 * The advisory lock that is held for the whole run. Kysely's own lock comes too late, since it needs a table that Kysely
 * makes first. The number is "challenge" in ASCII.
 */
const lockId = '7163371299412240997'

/**
 * Brings our own tables to this version, or changes nothing. The platform's tables are never touched. Repeating it does no
 * harm. Of two calls at the same time, the second waits and has nothing to do.
 * @returns the names of the migrations that were run
 * @throws OperatorError `Forbidden` if the role may not create the tables, `SchemaOutdated` if a newer version migrated the
 *   database, `DatabaseUnavailable`
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
          // The server releases the lock of a connection that has ended.
          await sql`SELECT pg_advisory_unlock(${lockId}::bigint)`.execute(connection).catch(() => {})
        }
      },
      { signal },
    )
  } catch (thrown) {
    throw migrationError(thrown) ?? storeError(thrown, signal)
  }
}

function migrationError(thrown: unknown): OperatorError | undefined {
  const options = { fate: 'permanent', cause: thrown } as const
  if (sqlState(thrown) === '42501')
    return new OperatorError(
      'Forbidden',
      `the database role may not create or change the schema ${schemaName}; run migrate as a role with CREATE on the database, or create the schema and make the role its owner`,
      options,
    )
  // Kysely gives this error no code.
  if (thrown instanceof Error && thrown.message.startsWith('corrupted migrations'))
    return new OperatorError(
      'SchemaOutdated',
      `the schema ${schemaName} was migrated by another version of the operator; use that version or a newer one`,
      options,
    )
  return undefined
}
