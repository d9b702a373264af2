import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { acquireLock, type Lock } from '../process/lock.ts'
import { outsideOf } from './postgres-place.ts'
import { hasEmbeddedSecrets } from './secrets.ts'

export interface DataFolderOptions {
  directory: string
  /** Remove the data of earlier runs first. */
  reset: boolean
  print: (line: string) => void
}

/** A file in every folder that `up` has made. Nothing is removed from a folder without it. */
const markName = '.challenge-operator'
const markText =
  'This folder holds the data of "challenge-operator up". With --reset it removes control-plane, postgres, queues and env.\n'

/** The folder has a lock, and these parts have one each. A run of an earlier build has only the latter. */
const lockName = '.lock'
const lockedParts = ['control-plane', 'postgres']

/** The data of earlier runs. `secrets.json` stays, because flags of instances on an external cluster depend on it. */
const removable = [...lockedParts, 'queues', 'env']

/**
 * Makes the folder in which parts keep their data, and locks it against another run.
 * @returns the lock, which the caller releases at the end of its run
 * @throws Error if another run uses the folder, or if `reset` is set and the folder is not one of `up`
 */
export async function openDataFolder(options: DataFolderOptions, signal: AbortSignal): Promise<Lock> {
  const { directory, reset, print } = options
  if (reset) await requireOurs(directory)
  await mkdir(directory, { recursive: true, mode: 0o755 })
  const isOurs = await isOurFolder(directory)
  const lock = await lockOf(directory, signal)
  try {
    if (isOurs) await writeFile(join(directory, markName), markText)
    if (reset) await removeData(directory, print, signal)
    return lock
  } catch (thrown) {
    await lock.release()
    throw thrown
  }
}

/** A folder is ours if an earlier run marked it, or if it is empty, or if a run before the mark left its secrets there. */
async function isOurFolder(directory: string): Promise<boolean> {
  const names = await readdir(directory)
  if (names.includes(markName) || names.length === 0) return true
  return hasEmbeddedSecrets(join(directory, 'secrets.json'))
}

async function requireOurs(directory: string): Promise<void> {
  if (!(await exists(directory)) || (await isOurFolder(directory))) return
  throw new Error(
    `--reset removes nothing: ${directory} was not made by this command (it has no file ${markName}). ` +
      'Choose another --directory, or remove the data yourself.',
  )
}

async function removeData(
  directory: string,
  print: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const locks: Lock[] = []
  try {
    for (const part of lockedParts)
      if (await exists(join(directory, part))) locks.push(await lockOf(join(directory, part), signal))
    const paths = removable.map(name => join(directory, name))
    for (const path of [...paths, outsideOf(join(directory, 'postgres'))])
      if (await exists(path)) {
        await rm(path, { recursive: true, force: true })
        print(`removed ${path}`)
      }
  } finally {
    for (const lock of locks) await lock.release()
  }
}

function lockOf(directory: string, signal: AbortSignal): Promise<Lock> {
  const inUse = (pid: number) => {
    throw new Error(`${directory} is in use by process ${pid}; stop that process first`)
  }
  return acquireLock(join(directory, lockName), inUse, signal)
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined
}
