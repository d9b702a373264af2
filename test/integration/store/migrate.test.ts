import { sql } from 'kysely'
import { afterEach, describe, expect, it } from 'vitest'
import { openDatabase } from '../../../lib/store/database.ts'
import { examine } from '../../../lib/store/examine.ts'
import { migrate } from '../../../lib/store/migrate.ts'
import { migrations } from '../../../lib/store/migrations.ts'
import { openStore } from '../../../lib/store/open-store.ts'
import { instanceRecord, type StoreDatabase, soon, storeDatabase } from './store-database.ts'

let database: StoreDatabase
afterEach(() => database.remove())

const names = Object.keys(migrations)

describe('migrate', () => {
  it('creates all tables in an empty database, and changes nothing the second time', async () => {
    database = await storeDatabase({ migrated: false })
    expect(await examine(database.db, soon())).toMatchObject({ migrated: false })
    expect(await migrate(database.db, soon())).toEqual(names)
    expect(await migrate(database.db, soon())).toEqual([])
    expect(await examine(database.db, soon())).toEqual({
      migrated: true,
      platformTables: true,
      mayWritePlatform: true,
      epochMs: expect.any(Number),
    })
    expect(await openStore(database.db).record(instanceRecord(), soon())).toMatchObject({ events: 1 })
  })

  it('runs every migration once when called from six places at the same time', async () => {
    database = await storeDatabase({ migrated: false })
    const { url } = database
    const places = Array.from({ length: 6 }, () => openDatabase({ url, max: 1 }))
    const run = await Promise.all(places.map(place => migrate(place, soon())))
    expect(run.flat()).toEqual(names)
    await Promise.all(places.map(place => place.destroy()))
  })

  it('needs one connection only', async () => {
    database = await storeDatabase({ migrated: false, max: 1 })
    expect(await Promise.all([migrate(database.db, soon()), migrate(database.db, soon())])).toEqual([
      names,
      [],
    ])
  })
})

describe('migrate, when it cannot be done', () => {
  it('fails with Forbidden for a role that may not create a schema', async () => {
    database = await storeDatabase({ migrated: false })
    const role = `nobody_${Math.random().toString(36).slice(2)}`
    await database.rows(`CREATE ROLE ${role} LOGIN PASSWORD 'topsecret'`)
    const url = new URL(database.url)
    url.username = role
    url.password = 'topsecret'
    const limited = openDatabase({ url: url.href })
    await expect(migrate(limited, soon())).rejects.toMatchObject({
      reason: 'Forbidden',
      fate: 'permanent',
      message: expect.stringMatching(/CREATE on the database/),
    })
    await limited.destroy()
    await database.rows(`DROP ROLE ${role}`)
  })

  it('fails with SchemaOutdated in a database that a newer version migrated', async () => {
    database = await storeDatabase()
    await database.rows(
      `INSERT INTO challenge_operator.kysely_migration VALUES ('2999-01-01-later', '2999-01-01')`,
    )
    await expect(migrate(database.db, soon())).rejects.toMatchObject({ reason: 'SchemaOutdated' })
    expect(await examine(database.db, soon())).toMatchObject({ migrated: true })
  })

  it('leaves nothing half made when its signal aborts while it waits for the lock', async () => {
    database = await storeDatabase({ migrated: false })
    const blocker = database.db.transaction().execute(async transaction => {
      await sql`SELECT pg_advisory_xact_lock(7163371299412240997)`.execute(transaction)
      await expect(migrate(database.db, AbortSignal.timeout(200))).rejects.toMatchObject({
        reason: 'DatabaseUnavailable',
      })
    })
    await blocker
    expect(await migrate(database.db, soon())).toEqual(names)
  })

  it('is named as the remedy when a record finds no tables', async () => {
    database = await storeDatabase({ migrated: false })
    await expect(openStore(database.db).record(instanceRecord(), soon())).rejects.toMatchObject({
      reason: 'DatabaseUnavailable',
      fate: 'retryable',
      message: expect.stringContaining('challenge-operator migrate'),
    })
  })
})
