import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
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
 * checkout there, the data and a copy of the programs are in a folder of /var/lib, whose name follows from the checkout's.
 * @throws Error if the account cannot read them there either
 */
export async function reachablePlace(options: PlaceOptions): Promise<Place> {
  const { directory, binaries, user, isNew } = options
  if (user === undefined) {
    await requireReachable(user, [directory, binaries.initdb])
    return { directory, binaries }
  }
  const outside = outsideOf(directory, options.outside)
  if (isNew) await rm(outside, { recursive: true, force: true })
  const place = {
    directory: await reachableData(directory, outside, user),
    binaries: await reachableBinaries(binaries, outside, user),
  }
  await requireReachable(user, [place.directory, place.binaries.initdb])
  return place
}

/** The folder that replaces `directory` where the account of Postgres cannot enter `directory`. */
export function outsideOf(directory: string, shared = sharedFolder): string {
  return join(shared, `postgres-${createHash('sha256').update(directory).digest('hex').slice(0, 16)}`)
}

async function reachableData(directory: string, outside: string, user: User): Promise<string> {
  if (await exists(join(outside, 'data'))) return outside
  if (await isReachable(user, directory)) return directory
  await openFolder(outside)
  // An earlier run could reach the folder, for example before the checkout was moved to root's home.
  const earlier = join(directory, 'data')
  if (await exists(earlier)) {
    await copyTo(earlier, join(outside, 'data'))
    await rm(earlier, { recursive: true })
  }
  return outside
}

async function reachableBinaries(
  binaries: PostgresBinaries,
  outside: string,
  user: User,
): Promise<PostgresBinaries> {
  if (await isReachable(user, binaries.initdb)) return binaries
  // The programs find their libraries and templates relative to themselves, so the folder around `bin` is copied.
  const from = dirname(dirname(binaries.initdb))
  const { mtimeMs } = await stat(binaries.initdb)
  const to = join(outside, `programs-${Math.trunc(mtimeMs)}`)
  if (!(await exists(to))) {
    await openFolder(outside)
    await copyTo(from, to)
  }
  const inside = (program: string) => join(to, 'bin', basename(program))
  return { initdb: inside(binaries.initdb), postgres: inside(binaries.postgres) }
}

async function openFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true })
  // An umask of root's may have closed what was made.
  for (const folder of [dirname(path), path]) await chmod(folder, 0o755)
}

/** Copies a folder with owners and modes. A start that is killed leaves nothing half-made. */
async function copyTo(from: string, to: string): Promise<void> {
  const draft = `${to}.new`
  await rm(draft, { recursive: true, force: true })
  await run('cp', ['-a', from, draft])
  if (basename(to) !== 'data') await run('chmod', ['-R', 'a+rX', draft])
  await rename(draft, to)
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
