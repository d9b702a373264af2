import { sql, type Transaction } from 'kysely'
import { Migrator } from 'kysely/migration'
import { OperatorError } from '../errors.ts'
import { type Database, inTransaction } from './database.ts'
import { sqlState, storeError } from './errors.ts'
import { migrations } from './migrations.ts'
import type { Schema } from './schema.ts'

const schemaName = 'challenge_operator'

/**
 * The advisory lock that is held until the transaction ends. A lock of the session would stay behind in a pooler between
 * us and the server, which gives the session to other clients. The number is "challenge" in ASCII.
 */
const lockId = '7163371299412240997'

/** The longest time that one migration may wait for another one to end. */
const turnTimeout = '60s'

/** The limits of every other transaction are for rows: a migration may take longer, but must not block writers for long. */
const takeTurn = sql.raw(`
  SET LOCAL statement_timeout = 0;
  SET LOCAL lock_timeout = '${turnTimeout}';
  SELECT pg_advisory_xact_lock(${lockId});
  SET LOCAL lock_timeout = '10s'`)

/**
 * Brings our own tables to this version, or changes nothing. The platform's tables are never touched. Repeating it does no
 * harm. Of two calls at the same time, the second waits and has nothing to do. Everything happens in one transaction, so
 * that a pooler in transaction mode (PgBouncer, RDS Proxy) may lie between us and the server.
 * @returns the names of the migrations that were run
 * @throws OperatorError `Forbidden` if the role may not create the tables, `SchemaOutdated` if a newer version migrated the
 *   database, `DatabaseUnavailable`
 */
export async function migrate(db: Database, signal: AbortSignal): Promise<string[]> {
  try {
    return await inTransaction(db, migrateIn, signal)
  } catch (thrown) {
    throw migrationError(thrown) ?? storeError(thrown, signal)
  }
}

async function migrateIn(transaction: Transaction<Schema>): Promise<string[]> {
  await takeTurn.execute(transaction).catch(cause => {
    throw sqlState(cause) === '55P03' ? otherMigration(cause) : cause
  })
  const migrator = new Migrator({
    db: transaction,
    provider: { getMigrations: async () => migrations },
    migrationTableSchema: schemaName,
  })
  const { error, results } = await migrator.migrateToLatest()
  if (error !== undefined) throw error
  return (results ?? []).map(result => result.migrationName)
}

function otherMigration(cause: unknown): OperatorError {
  return new OperatorError(
    'DatabaseUnavailable',
    `the database is being migrated by another process, which has not ended within ${turnTimeout}; run migrate again when it has. If there is none, a pooler kept the lock of an earlier release: end the session that holds the advisory lock ${lockId} (pg_locks, pg_terminate_backend)`,
    { cause },
  )
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
