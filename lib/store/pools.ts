import { setTimeout as wait } from 'node:timers/promises'
import type { Pool, PoolClient } from 'pg'
import { sqlState } from './errors.ts'

/** Where a database is, and who we are there. Both may change while the process runs. */
export interface DatabaseAddress {
  /** `postgres://user:password@host:5432/database?sslmode=…`. */
  url(): Promise<string>
  /** Called when the server refused user or password of a URL. @returns whether `url` gives another URL now */
  renew?(refused: string): Promise<boolean>
  /** Makes the password of one new connection. Default: that of the URL. */
  password?(): Promise<string>
}

/** Opens a pool for a URL. */
export type OpenPool = (url: string, password: DatabaseAddress['password']) => Promise<Pool>

/**
 * The pool of an address. When the address gives another URL, a new pool takes over: sessions in use end with their work,
 * and idle ones at once. A server that refuses user or password is asked a second time if the address has others.
 */
export class Pools {
  readonly #address: DatabaseAddress
  readonly #open: OpenPool
  #current: { url: string; pool: Promise<Pool> } | undefined
  #isClosed = false

  constructor(address: DatabaseAddress, open: OpenPool) {
    this.#address = address
    this.#open = open
  }

  async connect(): Promise<PoolClient> {
    const url = await this.#address.url()
    const pool = await this.#poolFor(url)
    try {
      return await pool.connect()
    } catch (thrown) {
      if (!isRefused(thrown) || !(await this.#address.renew?.(url))) throw thrown
      return (await this.#poolFor(await this.#address.url())).connect()
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#end()
  }

  #poolFor(url: string): Promise<Pool> {
    if (this.#isClosed) throw new Error('the database has been closed')
    if (this.#current?.url !== url) {
      void this.#end()
      this.#current = { url, pool: this.#open(url, this.#address.password) }
    }
    const { pool } = this.#current
    return pool.catch(thrown => {
      // A file that the URL names may be readable at the next attempt.
      if (this.#current?.pool === pool) this.#current = undefined
      throw thrown
    })
  }

  async #end(): Promise<void> {
    const current = this.#current
    this.#current = undefined
    await current?.pool.then(endWhenServed, () => {})
  }
}

/** A pool that ends gives no session to those that wait for one. They wait for a limited time. */
async function endWhenServed(pool: Pool): Promise<void> {
  while (pool.waitingCount > 0) await wait(50)
  await pool.end()
}

/** SQLSTATE 28: the user or its password is not accepted, or not any more. */
function isRefused(thrown: unknown): boolean {
  return sqlState(thrown)?.startsWith('28') === true
}
