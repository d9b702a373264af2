import type {
  AbortableOperationOptions,
  CompiledQuery,
  DatabaseConnection,
  Driver,
  QueryResult,
} from 'kysely'
import type { QueryResult as PgResult, Pool, PoolClient } from 'pg'

/**
 * What a client that vanished without a word may hold up others for. Local to the transaction, since a pooler between
 * us and the server hands the session to somebody else. The last one bounds a call of the event bus.
 */
const limits = { statement_timeout: '10s', lock_timeout: '5s', idle_in_transaction_session_timeout: '60s' }

/** None of its own: it goes along with the first statement, where that has no parameters. */
const begin = [
  'begin isolation level read committed',
  ...Object.entries(limits).map(([name, value]) => `set local ${name} = '${value}'`),
].join('; ')

/**
 * Kysely's driver over a pool of pg, with one difference to the one it ships: the signal of whoever acquired a
 * connection cuts it. pg can not cancel a query, and a database that has gone silent would otherwise hold the caller,
 * its transaction and its place in the pool for as long as it pleases.
 */
export class SessionDriver implements Driver {
  readonly #open: () => Promise<Pool>
  #pool: Pool | undefined

  constructor(open: () => Promise<Pool>) {
    this.#open = open
  }

  async init(): Promise<void> {
    this.#pool = await this.#open()
  }

  async acquireConnection(options?: AbortableOperationOptions): Promise<Session> {
    if (this.#pool === undefined) throw new Error('the database has been closed')
    return new Session(this.#pool, options?.signal)
  }

  async beginTransaction(session: Session): Promise<void> {
    session.beginLater()
  }

  async commitTransaction(session: Session): Promise<void> {
    if (!session.hasBegun) return
    // The server answers so when a statement had failed and nobody minded.
    if ((await session.run('commit')).command === 'ROLLBACK')
      throw new Error('the transaction was rolled back')
  }

  /** Never fails: what cannot be rolled back is cut, which comes to the same. */
  async rollbackTransaction(session: Session): Promise<void> {
    if (!session.hasBegun) return
    await session.run('rollback').catch(() => session.cut())
  }

  async releaseConnection(session: Session): Promise<void> {
    session.release()
  }

  async destroy(): Promise<void> {
    const pool = this.#pool
    this.#pool = undefined
    await pool?.end()
  }
}

/** Connects at its first statement: Kysely would print a connection that fails after somebody gave up on it. */
class Session implements DatabaseConnection {
  readonly #pool: Pool
  readonly #signal: AbortSignal | undefined
  #connecting: Promise<PoolClient> | undefined
  #giveUp: ((why: Error) => void) | undefined
  #client: PoolClient | undefined
  #toBegin = false
  #left = false

  constructor(pool: Pool, signal: AbortSignal | undefined) {
    this.#pool = pool
    this.#signal = signal
    signal?.addEventListener('abort', this.cut, { once: true })
    if (signal?.aborted) this.cut()
  }

  beginLater(): void {
    this.#toBegin = true
  }

  get hasBegun(): boolean {
    return !this.#toBegin
  }

  async run(text: string, values: readonly unknown[] = []): Promise<PgResult> {
    if (this.#left) throw terminated()
    this.#connecting ??= this.#connect()
    const client = await this.#connecting
    if (!this.#toBegin) return client.query(text, [...values])
    this.#toBegin = false
    if (values.length === 0) {
      // Each of several statements has a result, and under "read committed" a snapshot, of its own.
      const results = (await client.query(`${begin}; ${text}`)) as unknown as PgResult[]
      return results.at(-1) as PgResult
    }
    await client.query(begin)
    return client.query(text, [...values])
  }

  async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    const { command, rowCount, rows } = await this.run(sql, parameters)
    const writes = ['INSERT', 'UPDATE', 'DELETE', 'MERGE'].includes(command)
    return { rows: rows ?? [], ...(writes ? { numAffectedRows: BigInt(rowCount ?? 0) } : {}) }
  }

  streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error('streams are not supported; read in pages')
  }

  /** Ends the connection: queries under way fail at once, the server rolls back, the pool makes a new one. */
  readonly cut = (): void => this.#leave(true)

  release(): void {
    this.#leave(false)
  }

  #connect(): Promise<PoolClient> {
    return new Promise((resolve, reject) => {
      this.#giveUp = reject
      this.#pool.connect().then(client => {
        // Too late for us, but as good as new for the next one.
        if (this.#left) return client.release()
        this.#client = client
        // Of a client that nobody waits for: without a listener it would end the process.
        client.on('error', this.cut)
        resolve(client)
      }, reject)
    })
  }

  #leave(broken: boolean): void {
    if (this.#left) return
    this.#left = true
    this.#signal?.removeEventListener('abort', this.cut)
    this.#giveUp?.(terminated())
    this.#client?.release(broken)
    // A cut client may fail once more while it ends.
    if (!broken) this.#client?.off('error', this.cut)
  }
}

/** As pg says it. */
function terminated(): Error {
  return new Error('Connection terminated')
}
