import type {
  AbortableOperationOptions,
  CompiledQuery,
  DatabaseConnection,
  Driver,
  QueryResult,
} from 'kysely'
import type { QueryResult as PgResult, PoolClient } from 'pg'
import { endsSession, sqlState } from './errors.ts'
import type { Pools } from './pools.ts'

/**
 * Upper bounds for the locks that a vanished client would leave behind. They are local to the transaction, since a pooler
 * between us and the server gives the session to other clients. The last one also bounds a call of the event bus.
 */
const limits = { statement_timeout: '10s', lock_timeout: '5s', idle_in_transaction_session_timeout: '60s' }

/**
 * The start of a transaction. It is sent together with the first statement if that one has no parameters. Its last
 * statement asks whether the session may write: after a failover a session may have stayed on a server that is read-only
 * now, and what it reads there may be old.
 */
const beginStatements = [
  'begin isolation level read committed',
  ...Object.entries(limits).map(([name, value]) => `set local ${name} = '${value}'`),
  'show transaction_read_only',
]
const begin = beginStatements.join('; ')

/**
 * Kysely's driver over a pool of pg, with a signal for each connection that is acquired.
 *
 * Flow: `acquireConnection` returns a session at once. Its first statement takes a client from the pool and begins the
 * transaction. `releaseConnection` gives the client back.
 *
 * Guarantees:
 * - When the signal aborts, every call of the session rejects at once, and the client's socket is closed, not reused. The
 *   server rolls back as soon as it notices. A silent database holds up neither the caller nor the pool's next user.
 * - A session that has sent no statement has taken no client, so nothing needs to be rolled back.
 * - A rollback never fails: a client that cannot roll back is closed, and the server rolls back then.
 * - A session that is read-only, or that an error of the server has ended (`endsSession`), is closed, not reused.
 * - Every statement after one that failed in a transaction fails with the error of that one.
 *
 * Caveats: pg cannot cancel a statement. The server may finish the statement of a closed client, within the limits above,
 * and a commit that was under way may have happened. Streams are not supported.
 *
 * Errors: those of pg and its pool, not translated. `storeError` translates them.
 */
export class SessionDriver implements Driver {
  readonly #open: () => Pools
  #pools: Pools | undefined

  constructor(open: () => Pools) {
    this.#open = open
  }

  async init(): Promise<void> {
    this.#pools = this.#open()
  }

  async acquireConnection(options?: AbortableOperationOptions): Promise<Session> {
    if (this.#pools === undefined) throw new Error('the database has been closed')
    return new Session(this.#pools, options?.signal)
  }

  async beginTransaction(session: Session): Promise<void> {
    session.deferBegin()
  }

  async commitTransaction(session: Session): Promise<void> {
    if (!session.hasBegun) return
    // The server answers a commit with ROLLBACK if a statement failed and its error was ignored.
    if ((await session.run('commit')).command === 'ROLLBACK')
      throw new Error('the transaction was rolled back')
  }

  async rollbackTransaction(session: Session): Promise<void> {
    if (!session.hasBegun) return
    await session.run('rollback').catch(() => session.terminate())
  }

  async releaseConnection(session: Session): Promise<void> {
    session.release()
  }

  async destroy(): Promise<void> {
    const pools = this.#pools
    this.#pools = undefined
    await pools?.close()
  }
}

/** Connects at its first statement. Kysely would print a connection that fails after its caller has gone. */
class Session implements DatabaseConnection {
  readonly #pools: Pools
  readonly #signal: AbortSignal | undefined
  #connecting: Promise<PoolClient> | undefined
  #rejectConnect: ((why: Error) => void) | undefined
  #client: PoolClient | undefined
  #beginIsDue = false
  #failure: unknown
  #hasEnded = false

  constructor(pools: Pools, signal: AbortSignal | undefined) {
    this.#pools = pools
    this.#signal = signal
    signal?.addEventListener('abort', this.terminate, { once: true })
    if (signal?.aborted) this.terminate()
  }

  deferBegin(): void {
    this.#beginIsDue = true
    this.#failure = undefined
  }

  get hasBegun(): boolean {
    return !this.#beginIsDue
  }

  async run(text: string, values: readonly unknown[] = []): Promise<PgResult> {
    if (this.#hasEnded) throw terminated()
    this.#connecting ??= this.#connect()
    const client = await this.#connecting
    try {
      return await this.#send(client, text, values)
    } catch (thrown) {
      if (endsSession(thrown)) this.terminate()
      this.#failure ??= thrown
      throw sqlState(thrown) === transactionAborted ? this.#failure : thrown
    }
  }

  async #send(client: PoolClient, text: string, values: readonly unknown[]): Promise<PgResult> {
    if (!this.#beginIsDue) return client.query(text, [...values])
    this.#beginIsDue = false
    const isAlone = values.length > 0
    // Several statements in one query have a result each and, under "read committed", a snapshot each.
    const results = (await client.query(isAlone ? begin : `${begin}; ${text}`)) as unknown as PgResult[]
    if (results[beginStatements.length - 1]?.rows[0]?.transaction_read_only === 'on') throw readOnly()
    return isAlone ? client.query(text, [...values]) : (results.at(-1) as PgResult)
  }

  async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    const { command, rowCount, rows } = await this.run(sql, parameters)
    const writes = ['INSERT', 'UPDATE', 'DELETE', 'MERGE'].includes(command)
    return { rows: rows ?? [], ...(writes ? { numAffectedRows: BigInt(rowCount ?? 0) } : {}) }
  }

  streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error('streams are not supported; read in pages')
  }

  /** Closes the client: its queries fail at once, the server rolls back, and the pool opens another one when needed. */
  readonly terminate = (): void => this.#end({ reusable: false })

  release(): void {
    this.#end({ reusable: true })
  }

  #connect(): Promise<PoolClient> {
    return new Promise((resolve, reject) => {
      this.#rejectConnect = reject
      this.#pools.connect().then(client => {
        // The session has ended meanwhile. The client is unused, so the pool can give it to another session.
        if (this.#hasEnded) return client.release()
        this.#client = client
        // Without a listener, a client that breaks between two queries would end the process.
        client.on('error', this.terminate)
        resolve(client)
      }, reject)
    })
  }

  #end({ reusable }: { reusable: boolean }): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#signal?.removeEventListener('abort', this.terminate)
    this.#rejectConnect?.(terminated())
    this.#client?.release(!reusable)
    // A closed client keeps the listener, since it may emit another error while its socket ends.
    if (reusable) this.#client?.off('error', this.terminate)
  }
}

/** The error that pg throws itself for a client that was closed. */
function terminated(): Error {
  return new Error('Connection terminated')
}

/** The SQLSTATE of every statement after one that failed in the same transaction. */
const transactionAborted = '25P02'

/** The error that a server gives to a write in a read-only session. */
function readOnly(): Error {
  return Object.assign(new Error('the session is read-only'), { code: '25006', severity: 'ERROR' })
}
