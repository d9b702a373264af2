import { execFile } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { access, chmod, constants, mkdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { PostgresBinaries, User } from './postgres-binaries.ts'

const run = promisify(execFile)

/** The folder of state for programs of the machine (FHS 3.0, 5.8), which every account may enter. */
const sharedFolder = '/var/lib/challenge-operator'

export interface PlaceOptions {
  /** The folder of Postgres in the data folder of the run. */
  directory: string
  binaries: PostgresBinaries
  user: User
  /** No earlier run has left its password, so that data outside the folder belongs to nobody. */
  isNew: boolean
  /** Replaces /var/lib/challenge-operator in tests. */
  outside?: string
}

export interface Place {
  /** Holds the server's data. */
  directory: string
  binaries: PostgresBinaries
}

/**
 * Finds a folder and programs that the account of Postgres can use. Root's home is closed to every other account. For a
 * checkout there, the data and a copy of the programs are in /var/lib, in folders whose names follow from the checkout's.
 * @throws Error if the account cannot read them there either
 */
export async function reachablePlace(options: PlaceOptions): Promise<Place> {
  const { directory, binaries, user, isNew, outside: shared = sharedFolder } = options
  if (user === undefined) {
    await requireReachable(user, [directory, binaries.initdb])
    return { directory, binaries }
  }
  const outside = outsideOf(directory, shared)
  if (isNew) await rm(outside, { recursive: true, force: true })
  const place = {
    directory: await reachableData(directory, outside, user),
    binaries: await reachableBinaries(binaries, shared, user),
  }
  await requireReachable(user, [place.directory, place.binaries.initdb])
  return place
}

/** The folder that replaces `directory` where the account of Postgres cannot enter `directory`. */
export function outsideOf(directory: string, shared = sharedFolder): string {
  return join(shared, `postgres-${hashOf(directory)}`)
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

async function reachableData(directory: string, outside: string, user: User): Promise<string> {
  if (await exists(join(outside, 'data'))) return outside
  if (await isReachable(user, directory)) return directory
  await openFolder(dirname(outside))
  await openFolder(outside)
  // An earlier run could reach the folder, for example before the checkout was moved to root's home.
  const earlier = join(directory, 'data')
  if (await exists(earlier)) {
    await copyTo(earlier, join(outside, 'data'), { open: false })
    await rm(earlier, { recursive: true })
  }
  return outside
}

/** The copy belongs to the checkout, and all its runs share it. */
async function reachableBinaries(
  binaries: PostgresBinaries,
  shared: string,
  user: User,
): Promise<PostgresBinaries> {
  if (await isReachable(user, binaries.initdb)) return binaries
  // The programs find their libraries and templates relative to themselves, so the folder around `bin` is copied.
  const from = dirname(dirname(binaries.initdb))
  const { mtimeMs } = await stat(binaries.initdb)
  const to = join(shared, `programs-${hashOf(`${from} ${mtimeMs}`)}`)
  if (!(await exists(to))) {
    await openFolder(shared)
    await copyTo(from, to, { open: true })
  }
  const inside = (program: string) => join(to, 'bin', basename(program))
  return { initdb: inside(binaries.initdb), postgres: inside(binaries.postgres) }
}

async function openFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true })
  // An umask of root's may have closed what was made.
  await chmod(path, 0o755)
}

/**
 * Copies a folder with owners and modes. Two starts may copy at once. A start that is killed leaves nothing that a later
 * one takes for whole.
 */
async function copyTo(from: string, to: string, { open }: { open: boolean }): Promise<void> {
  const draft = `${to}.${randomUUID()}`
  try {
    await run('cp', ['-a', from, draft])
    if (open) await run('chmod', ['-R', 'a+rX', draft])
    await rename(draft, to)
  } catch (thrown) {
    if (!(await exists(to))) throw thrown
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

async function isReachable(user: User, path: string): Promise<boolean> {
  return checkReachable(user, path).then(
    () => true,
    () => false,
  )
}

async function checkReachable(user: User, path: string): Promise<void> {
  if (user === undefined) return access(path, constants.R_OK | constants.X_OK)
  const how = { ...user, cwd: '/', env: { PATH: '/usr/bin:/bin' } }
  await run('/bin/sh', ['-c', 'test -r "$0" && test -x "$0"', path], how)
}

async function requireReachable(user: User, paths: readonly string[]): Promise<void> {
  for (const path of paths)
    await checkReachable(user, path).catch(cause => {
      const who = user === undefined ? 'this user' : `account ${user.uid}, as which Postgres runs for root,`
      throw new Error(
        `${who} may not read or enter ${path}. Start as another user, or set DATABASE_URL to an existing Postgres.`,
        { cause },
      )
    })
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined
}
