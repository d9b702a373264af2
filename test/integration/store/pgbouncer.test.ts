import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { openDatabase } from '../../../lib/store/database.ts'
import { migrate } from '../../../lib/store/migrate.ts'
import { type PgBouncer, pgBouncerProgram, startPgBouncer } from '../../support/pgbouncer.ts'
import {
  routeDirectly,
  routeThroughPooler,
  type StoreDatabase,
  soon,
  storeDatabase,
} from './store-database.ts'

const program = await pgBouncerProgram()
let pooler: PgBouncer

beforeAll(async () => {
  if (program === undefined) return
  pooler = await startPgBouncer(program, inject('sharedParts').postgresUrl)
  routeThroughPooler(url => pooler.urlOf(url))
})
afterAll(async () => {
  routeDirectly()
  await pooler?.stop()
})

it.skipIf(program !== undefined)(
  'is not tested, because it is not installed (apt-get install pgbouncer)',
  context => context.skip('pgbouncer is missing'),
)

/** Declares the tests of a file. The query makes it a module of its own, because the worker may have run the file before. */
async function casesOf(file: string): Promise<void> {
  await import(`./${file}.test.ts?behind-pgbouncer`)
}

/** Each of these files runs once more here, with every database behind the pooler. */
describe.skipIf(program === undefined)('behind PgBouncer in transaction mode', () => {
  describe('records', () => casesOf('record'))
  describe('closed rows', () => casesOf('close'))
  describe('platform rows', () => casesOf('platform-rows'))
  describe('the outbox', () => casesOf('outbox'))
  describe('migrations', () => casesOf('migrate'))
})

describe.skipIf(program === undefined)('a session that PgBouncer shares', () => {
  let database: StoreDatabase
  let direct: pg.Client
  beforeEach(async () => {
    database = await storeDatabase({ migrated: false })
    direct = new pg.Client({ connectionString: database.directUrl })
    await direct.connect()
    return async () => {
      await direct.end()
      await database.remove()
    }
  })

  const advisoryLocks = async () =>
    (
      await direct.query(
        `SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
         WHERE locktype = 'advisory' AND datname = current_database()`,
      )
    ).rows

  it('keeps no lock of a migration, so that the next one does not wait', async () => {
    for (let run = 0; run < 5; run += 1) {
      const places = Array.from({ length: 4 }, () => openDatabase({ url: database.url, max: 1 }))
      await Promise.all(places.map(place => migrate(place, soon())))
      expect(await advisoryLocks()).toEqual([])
      await Promise.all(places.map(place => place.destroy()))
    }
  })

  it('keeps no setting of ours', async () => {
    await migrate(database.db, soon())
    const client = new pg.Client({ connectionString: database.url })
    await client.connect()
    for (const setting of ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'])
      expect((await client.query(`SHOW ${setting}`)).rows).toEqual([{ [setting]: '0' }])
    await client.end()
  })
})
