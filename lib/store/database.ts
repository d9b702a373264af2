import {
  type Dialect,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  sql,
  type Transaction,
} from 'kysely'
import { connectionSettings } from './connection-settings.ts'
import { type DatabaseAddress, type OpenPool, Pools } from './pools.ts'
import type { Schema } from './schema.ts'
import { SessionDriver } from './session-driver.ts'

export interface DatabaseOptions {
  /** `postgres://user:password@host:5432/database?sslmode=…`, or an address that may change. `sslmode` decides about TLS. */
  url: string | DatabaseAddress
  /** The largest number of connections. Default 1: a sandbox of a function handles one event at a time. */
  max?: number
  /** The name in `pg_stat_activity`. */
  applicationName?: string
}

export type Database = Kysely<Schema>

/** Milliseconds. TCP resends a lost SYN after 1 s; a connection that takes longer than 2 s counts as unreachable. */
const connectMs = 2_000

/** Milliseconds. An idle connection costs the server memory, and a load balancer drops it without a notice. */
const idleMs = 60_000

/** `migrate` has a lock of its own: Kysely's is one of the session, which a pooler would keep. */
class Adapter extends PostgresAdapter {
  override async acquireMigrationLock(): Promise<void> {}
  override async releaseMigrationLock(): Promise<void> {}
}

/** Opens no connection: the first query loads the driver and connects. A connection that breaks never ends the process. */
export function openDatabase({ url, max = 1, applicationName }: DatabaseOptions): Database {
  const open: OpenPool = async (address, password) => {
    const [{ default: pg }, settings] = await Promise.all([import('pg'), connectionSettings(address)])
    const pool = new pg.Pool({
      ...settings,
      max,
      connectionTimeoutMillis: connectMs,
      idleTimeoutMillis: idleMs,
      keepAlive: true,
      ...(password === undefined ? {} : { password }),
      ...(applicationName === undefined ? {} : { application_name: applicationName }),
    })
    // Without a listener, an idle connection that breaks would end the process. The next query opens another one.
    pool.on('error', () => {})
    return pool
  }
  const address = typeof url === 'string' ? { url: async () => url } : url
  const dialect: Dialect = {
    createDriver: () => new SessionDriver(() => new Pools(address, open)),
    createQueryCompiler: () => new PostgresQueryCompiler(),
    createAdapter: () => new Adapter(),
    createIntrospector: db => new PostgresIntrospector(db),
  }
  return new Kysely<Schema>({ dialect })
}

/** Loads the driver, so that the first query does not. */
export async function loadDriver(): Promise<void> {
  await Promise.all([import('pg'), import('pg-connection-string')])
}

/** Connects ahead of the first query. Never rejects: the first query meets what is wrong again, and its caller is told. */
export async function warmUp(db: Database, signal: AbortSignal): Promise<void> {
  try {
    await db.connection().execute(connection => sql`SELECT 1`.execute(connection), { signal })
  } catch {
    // A session that could not be made leaves nothing behind.
  }
}

/**
 * Runs `work` in one transaction on one connection. When the signal aborts, the connection is closed: the call rejects at
 * once, and the server rolls back.
 */
export function inTransaction<T>(
  db: Database,
  work: (transaction: Transaction<Schema>) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  return db.connection().execute(connection => connection.transaction().execute(work), { signal })
}
