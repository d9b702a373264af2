import { sql } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openDatabase } from '../../../lib/store/database.ts'
import { createPlatformTables } from '../../../lib/store/platform-tables.ts'
import { type Postgres, startPostgres } from '../../../local/parts/postgres.ts'
import { startAndKillParent } from '../../support/killed-parent.ts'
import { processesWith } from '../../support/processes.ts'
import { testDatabase } from '../../support/shared-parts.ts'
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts'

const { signal } = new AbortController()
let folder: TemporaryFolder

beforeAll(async () => {
  folder = await temporaryFolder('postgres')
})
afterAll(() => folder.remove())

const start = () => startPostgres({ directory: folder.path, env: process.env, unsafeNoFsync: true }, signal)

async function ask({ url }: Pick<Postgres, 'url'>, question: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query(question).finally(() => client.end())
  return rows
}

describe('an embedded Postgres', () => {
  it('keeps data and address after a stop, an outage and the death of its parent', async () => {
    const first = await start()
    await ask(first, 'CREATE TABLE kept (value int); INSERT INTO kept VALUES (42)')
    await first.restart({ how: 'kill' }, signal)
    expect(await ask(first, 'SELECT value FROM kept')).toEqual([{ value: 42 }])
    await expect(start()).rejects.toThrow(`in use by process ${process.pid}`)
    await first.stop()
    await expect.poll(() => processesWith(folder.path)).toEqual([])

    await startAndKillParent('postgres', folder.path)
    await expect.poll(() => processesWith(folder.path), { timeout: 5_000 }).toEqual([])

    const second = await start()
    expect(second.url).toBe(first.url)
    expect(await ask(second, 'SELECT value FROM kept')).toEqual([{ value: 42 }])
    await second.stop()
  })
})

describe('the copy of the platform’s tables', () => {
  it('is created once by several callers, and refuses an unknown team at commit', async () => {
    const { url, remove } = await testDatabase()
    const db = openDatabase({ url, max: 2 })
    const samples = { challenges: ['web-101', 'pwn-1'], teams: [1, 7] }
    await Promise.all([1, 2].map(() => createPlatformTables(db, samples, signal)))
    const { rows } = await sql`SELECT slug FROM challenges_challenge ORDER BY slug`.execute(db)
    expect(rows).toEqual([{ slug: 'pwn-1' }, { slug: 'web-101' }])

    const insert = (team: number) => sql`
      INSERT INTO challenges_teamserviceinstance (team_id, challenge_id, status, endpoint_url, created_at)
      SELECT ${team}, id, 'pending', '', now() FROM challenges_challenge WHERE slug = 'pwn-1'`
    await insert(7).execute(db)
    let inserted = false
    const unknown = db.transaction().execute(async transaction => {
      await insert(99).execute(transaction)
      inserted = true
    })
    await expect(unknown).rejects.toThrow('foreign key')
    expect(inserted).toBe(true)
    await db.destroy()
    await remove()
  })
})
