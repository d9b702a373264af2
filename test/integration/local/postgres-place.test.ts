import { execFile } from 'node:child_process'
import { chmod, mkdir, readdir, rename } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startPostgres } from '../../../local/parts/postgres.ts'
import { postgresBinaries, postgresUser } from '../../../local/parts/postgres-binaries.ts'
import { outsideOf, reachablePlace } from '../../../local/parts/postgres-place.ts'
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts'

const run = promisify(execFile)
const { signal } = new AbortController()
const isRoot = process.getuid?.() === 0
let folder: TemporaryFolder
/** As root's home is: nobody else may enter. */
let home: string
let shared: string

beforeEach(async () => {
  folder = await temporaryFolder('postgres-place')
  home = join(folder.path, 'home')
  shared = join(folder.path, 'shared')
  await mkdir(home, { mode: 0o700 })
})
afterEach(() => folder.remove())

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query(text).finally(() => client.end())
  return rows
}

/** Runs a statement in the database of one run, and ends the run. */
async function inRun(directory: string, text: string): Promise<unknown[]> {
  const postgres = await startPostgres(
    { directory, outside: shared, env: process.env, unsafeNoFsync: true },
    signal,
  )
  return query(postgres.url, text).finally(() => postgres.stop())
}

/** Only root starts Postgres as another account. For every other user there is nothing to test. */
describe.runIf(isRoot)('an embedded Postgres for root, in a home that others may not enter', () => {
  it('starts, and keeps its data from run to run outside of the home', async () => {
    const directory = join(home, '.local/postgres')
    await inRun(directory, 'CREATE TABLE kept AS SELECT 42 AS value')
    expect(await inRun(directory, 'SELECT value FROM kept')).toEqual([{ value: 42 }])
    expect(await readdir(directory)).not.toContain('data')
    expect(await readdir(outsideOf(directory, shared))).toContain('data')
  })

  it('continues with the data of a checkout that was moved into the home', async () => {
    const before = join(folder.path, 'checkout')
    await inRun(before, 'CREATE TABLE kept AS SELECT 42 AS value')
    const after = join(home, 'checkout')
    await rename(before, after)
    expect(await inRun(after, 'SELECT value FROM kept')).toEqual([{ value: 42 }])
  })

  it('starts empty after its folder was removed by hand', async () => {
    const directory = join(home, '.local/postgres')
    await inRun(directory, 'CREATE TABLE kept AS SELECT 42 AS value')
    await rename(directory, join(home, 'aside'))
    await expect(inRun(directory, 'SELECT value FROM kept')).rejects.toThrow('does not exist')
  })

  it('gets programs that its account can run, one copy for all runs of the checkout', async () => {
    const binaries = await postgresBinaries()
    const checkout = join(home, 'native')
    await run('cp', ['-a', dirname(dirname(binaries.initdb)), checkout])
    await chmod(join(checkout, 'bin', 'initdb'), 0o700)
    const user = await postgresUser()
    const inside = (program: string) => join(checkout, 'bin', basename(program))
    const placeOf = (name: string) =>
      reachablePlace({
        directory: join(home, name),
        binaries: { initdb: inside(binaries.initdb), postgres: inside(binaries.postgres) },
        user,
        isNew: true,
        outside: shared,
      })
    const [place, other] = await Promise.all([placeOf('one'), placeOf('two')])
    expect(other.binaries).toEqual(place.binaries)
    expect(other.directory).not.toBe(place.directory)
    const { stdout } = await run(place.binaries.initdb, ['--version'], { ...user, cwd: '/' })
    expect(stdout).toMatch(/^initdb \(PostgreSQL\)/)
  })
})
