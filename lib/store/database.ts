import {
  type Dialect,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type Transaction,
} from 'kysely'
import type { Pool } from 'pg'
import type { Schema } from './schema.ts'
import { SessionDriver } from './session-driver.ts'

export interface DatabaseOptions {
  /** `postgres://user:password@host:5432/database?sslmode=…`; `sslmode` decides about TLS. */
  url: string
  /** Connections at most. A sandbox of a function handles one event at a time. */
  max?: number
  /** As `pg_stat_activity` shows it. */
  applicationName?: string
}

export type Database = Kysely<Schema>

/** One lost SYN is sent again after 1 s; who waits longer has no database. In milliseconds. */
const connectMs = 2_000

/** An idle connection costs the server memory, and a balancer forgets it. In milliseconds. */
const idleMs = 60_000

/** Opens nothing yet: the first query loads the driver and connects. A connection that breaks never ends the process. */
export function openDatabase({ url, max = 1, applicationName }: DatabaseOptions): Database {
  const open = async (): Promise<Pool> => {
    const { default: pg } = await import('pg')
    const pool = new pg.Pool({
      connectionString: url,
      max,
      connectionTimeoutMillis: connectMs,
      idleTimeoutMillis: idleMs,
      keepAlive: true,
      ...(applicationName === undefined ? {} : { application_name: applicationName }),
    })
    pool.on('error', () => {})
    return pool
  }
  const dialect: Dialect = {
    createDriver: () => new SessionDriver(open),
    createQueryCompiler: () => new PostgresQueryCompiler(),
    createAdapter: () => new PostgresAdapter(),
    createIntrospector: db => new PostgresIntrospector(db),
  }
  return new Kysely<Schema>({ dialect })
}

/** One transaction on one connection, which `signal` cuts: the caller is free at once, the server rolls back. */
export function inTransaction<T>(
  db: Database,
  work: (transaction: Transaction<Schema>) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  return db.connection().execute(connection => connection.transaction().execute(work), { signal })
}
