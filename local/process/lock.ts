import { randomUUID } from 'node:crypto'
import { link, mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

interface Holder {
  pid: number
  host: string
  token: string
}

export interface Lock {
  release(): Promise<void>
}

const touchMs = 5_000
/** Six missed touches. Only the age tells whether a holder on another machine that shares the folder is gone. */
const staleMs = 30_000
const pollMs = 250

/**
 * Takes a lock file, and waits as long as another process holds it. A lock is stale, and taken over, when its process is
 * gone from this machine or when it has not been touched for 30 s.
 * @param onWait is called once with the id of the process that holds the lock; if it throws, the waiting ends
 */
export async function acquireLock(
  path: string,
  onWait: (pid: number) => void,
  signal: AbortSignal,
): Promise<Lock> {
  await mkdir(dirname(path), { recursive: true })
  const holder: Holder = { pid: process.pid, host: hostname(), token: randomUUID() }
  let hasWaited = false
  while (!(await claim(path, holder))) {
    const other = await readHolder(path)
    if (other === undefined) continue
    if (await isStale(path, other)) {
      await removeStale(path, other)
      continue
    }
    if (!hasWaited) onWait(other.pid)
    hasWaited = true
    await sleep(pollMs, undefined, { signal })
  }
  const touching = setInterval(() => void touch(path), touchMs)
  touching.unref()
  return {
    async release() {
      clearInterval(touching)
      if ((await readHolder(path))?.token === holder.token) await rm(path, { force: true })
    },
  }
}

/** `link` is atomic and fails for an existing name, also on network file systems. */
async function claim(path: string, holder: Holder): Promise<boolean> {
  const draft = `${path}.${holder.token}`
  await writeFile(draft, JSON.stringify(holder))
  try {
    await link(draft, path)
    return true
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw thrown
  } finally {
    await rm(draft, { force: true })
  }
}

async function readHolder(path: string): Promise<Holder | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Holder
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    if (thrown instanceof SyntaxError) return { pid: 0, host: '', token: '' }
    throw thrown
  }
}

async function isStale(path: string, holder: Holder): Promise<boolean> {
  if (holder.host === hostname() && !isAlive(holder.pid)) return true
  const file = await stat(path).catch(() => undefined)
  return file !== undefined && Date.now() - file.mtimeMs > staleMs
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Two processes may find the same lock stale. The slower one must not remove the lock that the faster one has just taken. */
async function removeStale(path: string, stale: Holder): Promise<void> {
  const aside = `${path}.${randomUUID()}`
  try {
    await rename(path, aside)
    if ((await readHolder(aside))?.token !== stale.token) await link(aside, path)
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException
    if (code !== 'ENOENT' && code !== 'EEXIST') throw thrown
  } finally {
    await rm(aside, { force: true })
  }
}

async function touch(path: string): Promise<void> {
  const now = new Date()
  await utimes(path, now, now).catch(() => {})
}
