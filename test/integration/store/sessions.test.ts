import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Database, inTransaction, openDatabase } from '../../../lib/store/database.ts'
import { storeError } from '../../../lib/store/errors.ts'
import { examine } from '../../../lib/store/examine.ts'
import { migrate } from '../../../lib/store/migrate.ts'
import { openOutbox, openStore } from '../../../lib/store/open-store.ts'
import {
  everywhere,
  instanceRecord,
  type StoreDatabase,
  soon,
  storeDatabase,
  takeAll,
} from './store-database.ts'

let database: StoreDatabase
/** A session of the superuser that stays writable. */
let admin: pg.Client
/** One connection, as a function has it. */
let single: Database

beforeAll(async () => {
  database = await storeDatabase()
  admin = new pg.Client({ connectionString: database.url })
  await admin.connect()
})
afterAll(async () => {
  await admin.end()
  await database.remove()
})
beforeEach(async () => {
  await admin.query('TRUNCATE challenge_operator.instance, challenge_operator.outbox')
  single = openDatabase({ url: database.url, max: 1, applicationName: 'single' })
})
afterEach(() => single.destroy())

const unavailable = { name: 'OperatorError', reason: 'DatabaseUnavailable', fate: 'retryable' }

async function execute<T>(statement: string): Promise<T[]> {
  const work = async (transaction: Database) => (await sql.raw<T>(statement).execute(transaction)).rows
  return inTransaction(single, work, soon())
}

async function processId(): Promise<number | undefined> {
  return (await execute<{ pid: number }>('SELECT pg_backend_pid() AS pid'))[0]?.pid
}

describe('a session that became read-only by a failover', () => {
  const name = () => new URL(database.url).pathname.slice(1)
  const becomeReadOnly = async () => {
    await admin.query(`ALTER DATABASE ${name()} SET default_transaction_read_only = on`)
    await admin.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'single'`,
    )
    await sleep(50)
  }
  const becomeWritable = () => admin.query(`ALTER DATABASE ${name()} RESET default_transaction_read_only`)
  afterEach(becomeWritable)

  it.each<[string, () => Promise<unknown>]>([
    ['a new phase', () => openStore(single).record(instanceRecord({ phase: 'Failed' }), soon())],
    ['a row that is as recorded', () => openStore(single).record(instanceRecord(), soon())],
    ['the end of a row', () => openStore(single).close('uid-1', { why: 'deleted' }, soon())],
    ['a read of the open rows', () => Array.fromAsync(openStore(single).openRows(everywhere, soon()))],
    ['a publication', () => openOutbox(single, 'test').drain(10, takeAll, soon())],
    ['a migration', () => migrate(single, soon())],
    ['an examination', () => examine(single, soon())],
  ])('refuses %s as unavailable, and is replaced as soon as the server takes writes', async (_, work) => {
    await openStore(single).record(instanceRecord(), soon())
    await becomeReadOnly()
    const readOnly = { ...unavailable, message: expect.stringMatching(/read-only.*25006/) }
    await expect(work()).rejects.toMatchObject(readOnly)
    await expect(work()).rejects.toMatchObject(readOnly)
    await becomeWritable()
    await work()
  })
})

describe('a session after an error of the server', () => {
  const raise = (state: string) => execute(`DO $$ BEGIN RAISE SQLSTATE '${state}'; END $$`)

  it.each(['25006', '57P01', '57P02', '57P03', '57P05', '25P03', '08000', '08003', '08006'])(
    'is replaced if the error says that the session is no good (%s)',
    async state => {
      const before = await processId()
      const thrown = await raise(state).catch(error => error)
      expect(storeError(thrown, soon())).toMatchObject({
        ...unavailable,
        message: expect.stringContaining(state),
      })
      expect(await processId()).not.toBe(before)
    },
  )

  it.each(['40001', '55P03', '57014', '42P01', '22003', '23505', '0A000'])(
    'stays if the error is about the statement (%s)',
    async state => {
      const before = await processId()
      await expect(raise(state)).rejects.toMatchObject({ code: state })
      expect(await processId()).toBe(before)
    },
  )

  it('is replaced if its cached plan has become invalid', async () => {
    await admin.query('CREATE TABLE planned (a integer)')
    await execute('PREPARE plan AS SELECT * FROM planned')
    await execute('EXECUTE plan')
    const before = await processId()
    await admin.query('ALTER TABLE planned ADD COLUMN b integer')
    const thrown = await execute('EXECUTE plan').catch(error => error)
    expect(storeError(thrown, soon())).toMatchObject({
      ...unavailable,
      message: expect.stringContaining('0A000'),
    })
    expect(await processId()).not.toBe(before)
  })
})

describe('a statement after a failed one', () => {
  it('reports the failure of the first, not that the transaction has ended', async () => {
    const work = async (transaction: Database) => {
      await sql`SELECT 1 / 0`.execute(transaction).catch(() => {})
      await sql`SELECT 1`.execute(transaction)
    }
    await expect(inTransaction(single, work, soon())).rejects.toMatchObject({ code: '22012' })
  })
})
