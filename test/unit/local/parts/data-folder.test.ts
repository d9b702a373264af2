import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openDataFolder } from '../../../../local/parts/data-folder.ts'
import { outsideOf } from '../../../../local/parts/postgres-place.ts'
import { embeddedSecrets } from '../../../../local/parts/secrets.ts'
import { acquireLock } from '../../../../local/process/lock.ts'
import { type TemporaryFolder, temporaryFolder } from '../../../support/temporary-folder.ts'

const { signal } = new AbortController()
let root: TemporaryFolder
let printed: string[]

beforeEach(async () => {
  root = await temporaryFolder('data-folder')
  printed = []
})
afterEach(() => root.remove())

const at = (...names: string[]) => join(root.path, ...names)

/** Opens the folder and ends the run at once. */
async function open(name: string, reset = false): Promise<void> {
  const print = (line: string) => void printed.push(line)
  const lock = await openDataFolder({ directory: at(name), reset, print }, signal)
  await lock.release()
}

/** Fills a folder with what parts, `up` and a user leave there. */
async function fill(name: string): Promise<void> {
  for (const part of ['control-plane/etcd', 'postgres/data', 'queues', 'notes']) {
    await mkdir(at(name, part), { recursive: true })
    await writeFile(at(name, part, 'file'), 'x')
  }
  await writeFile(at(name, 'env'), 'x')
  await writeFile(at(name, 'thesis.txt'), 'x')
}

describe('a reset', () => {
  it('removes the data of the parts, and keeps secrets and files of a user', async () => {
    await open('data')
    const secrets = await embeddedSecrets(at('data', 'secrets.json'))
    await fill('data')
    await open('data', true)
    expect((await readdir(at('data'))).toSorted()).toEqual([
      '.challenge-operator',
      'notes',
      'secrets.json',
      'thesis.txt',
    ])
    expect(await embeddedSecrets(at('data', 'secrets.json'))).toEqual(secrets)
    expect(printed).toEqual(
      ['control-plane', 'postgres', 'queues', 'env'].map(name => `removed ${at('data', name)}`),
    )
  })

  it('removes nothing from a folder that `up` did not make', async () => {
    await fill('home')
    const before = await readdir(at('home'), { recursive: true })
    await expect(open('home', true)).rejects.toThrow(
      /^--reset removes nothing: .*home was not made by this command/,
    )
    expect(await readdir(at('home'), { recursive: true })).toEqual(before)
  })

  it('removes nothing from such a folder after an `up` in it', async () => {
    await fill('home')
    await open('home')
    await expect(open('home', true)).rejects.toThrow('--reset removes nothing')
    expect(await readFile(at('home', 'postgres/data/file'), 'utf8')).toBe('x')
  })

  it('accepts the folder of a build that made no mark', async () => {
    await embeddedSecrets(at('data', 'secrets.json'))
    await fill('data')
    await open('data', true)
    expect(await readdir(at('data'))).toContain('secrets.json')
    expect(await readdir(at('data'))).not.toContain('postgres')
  })

  it.runIf(process.getuid?.() === 0)(
    'removes the data of a Postgres that could not enter the folder',
    async () => {
      await open('data')
      const outside = outsideOf(at('data', 'postgres'))
      await mkdir(join(outside, 'data'), { recursive: true })
      await open('data', true)
      expect(printed).toEqual([`removed ${outside}`])
      await expect(readdir(outside)).rejects.toThrow('ENOENT')
    },
  )

  it.each(['', 'control-plane', 'postgres'])(
    'waits for no other run: a lock of /%s is an error',
    async part => {
      await open('data')
      await fill('data')
      const lock = await acquireLock(at('data', part, '.lock'), () => {}, signal)
      await expect(open('data', true)).rejects.toThrow(
        `is in use by process ${process.pid}; stop that process first`,
      )
      await lock.release()
      expect(await readFile(at('data', 'postgres/data/file'), 'utf8')).toBe('x')
      expect(printed).toEqual([])
      await open('data', true)
      expect(await readdir(at('data'))).not.toContain('postgres')
    },
  )

  it('makes a folder that does not exist', async () => {
    await open('new', true)
    expect(await readdir(at('new'))).toEqual(['.challenge-operator'])
  })
})

describe('a data folder', () => {
  it('belongs to one run at a time', async () => {
    const options = { directory: at('data'), reset: false, print: () => {} }
    const lock = await openDataFolder(options, signal)
    await expect(openDataFolder(options, signal)).rejects.toThrow('is in use by process')
    await lock.release()
    await open('data')
  })
})
