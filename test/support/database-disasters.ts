import pg from 'pg'
import { inject } from 'vitest'
import { openDatabase } from '../../lib/store/database.ts'
import { migrate } from '../../lib/store/migrate.ts'
import { createPlatformTables } from '../../lib/store/platform-tables.ts'

/** What happens to a database on the run's server. Whoever is connected to it loses the connection, as in a real one. */
export interface DatabaseDisasters {
  /** Makes a backup: a copy of the files of the database. */
  backUp(): Promise<void>
  /** Replaces the database by the backup. The backup stays. */
  restore(): Promise<void>
  /** Replaces the database by an empty one, in which `migrate` was run and the platform made its tables. */
  lose(): Promise<void>
  /** Deletes the backup. */
  remove(): Promise<void>
}

/** @param url of the database @param platform what the platform's tables are filled with again */
export function databaseDisasters(
  url: string,
  platform: { challenges: string[]; teams: number[] },
): DatabaseDisasters {
  const name = new URL(url).pathname.slice(1)
  const backup = `${name}_backup`
  return {
    backUp: () => copy(name, backup),
    async restore() {
      await drop(name)
      await copy(backup, name)
    },
    async lose() {
      await drop(name)
      await execute(`CREATE DATABASE ${name}`)
      const database = openDatabase({ url, max: 1, applicationName: 'migrate' })
      const signal = AbortSignal.timeout(30_000)
      try {
        await migrate(database, signal)
        await createPlatformTables(database, platform, signal)
      } finally {
        await database.destroy()
      }
    },
    remove: () => drop(backup),
  }
}

async function copy(from: string, to: string): Promise<void> {
  await withoutSessions(from, () => execute(`CREATE DATABASE ${to} TEMPLATE ${from}`))
}

/** Postgres copies a database that nobody uses only. */
async function withoutSessions(name: string, work: () => Promise<void>): Promise<void> {
  await execute(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`)
  try {
    await execute(`SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '${name}'`)
    await work()
  } finally {
    await execute(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`)
  }
}

function drop(name: string): Promise<void> {
  return execute(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
}

async function execute(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: inject('sharedParts').postgresUrl })
  await client.connect()
  await client.query(statement).finally(() => client.end())
}
