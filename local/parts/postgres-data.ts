import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chown, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Environment } from '../../lib/config/section.ts'
import type { PostgresBinaries, User } from './postgres-binaries.ts'

const run = promisify(execFile)

/** Kept from run to run, so that the URL of the database stays the same. */
export interface Identity {
  port?: number
  password: string
}

export interface DataOptions {
  /** The account of the server can enter it. */
  directory: string
  binaries: PostgresBinaries
  user: User
  env: Environment
}

export const database = 'challenge_operator'
export const superuser = 'postgres'

/** The identity that an earlier run left in the folder, or a new one. */
export async function readIdentity(directory: string): Promise<{ identity: Identity; isNew: boolean }> {
  const text = await readFile(join(directory, 'identity.json'), 'utf8').catch(() => undefined)
  if (text !== undefined) return { identity: JSON.parse(text) as Identity, isNew: false }
  return { identity: { password: randomBytes(18).toString('base64url') }, isNew: true }
}

/**
 * Makes the server's data and the database, if an earlier run has not. They are made aside and then moved into place, so
 * that a start that was killed leaves nothing half-made.
 */
export async function ensureData(
  { directory, binaries, user, env }: DataOptions,
  password: string,
  signal: AbortSignal,
): Promise<void> {
  const { initdb, postgres } = binaries
  const data = join(directory, 'data')
  if ((await stat(data).catch(() => undefined)) !== undefined) return
  const draft = join(directory, 'data.new')
  const passwordFile = join(directory, 'password')
  await rm(draft, { recursive: true, force: true })
  await mkdir(draft, { mode: 0o700 })
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 })
  if (user !== undefined) {
    await chown(draft, user.uid, user.gid)
    await chown(passwordFile, user.uid, user.gid)
  }
  const how = { cwd: draft, env: { ...env, LC_ALL: 'C' }, signal, ...user }
  const settings = ['--auth=scram-sha-256', `--username=${superuser}`, '--encoding=UTF8', '--no-locale']
  try {
    await run(initdb, [`--pgdata=${draft}`, `--pwfile=${passwordFile}`, '--no-sync', ...settings], how)
    await createDatabase(postgres, draft, how)
  } catch (cause) {
    signal.throwIfAborted()
    const output = (cause as { stderr?: string }).stderr ?? String(cause)
    throw new Error(`Postgres could not make its data folder: ${output.trim()}`, { cause })
  } finally {
    await rm(passwordFile, { force: true })
  }
  await rename(draft, data)
}

/** Uses single-user mode, as initdb does, which needs no running server and no client. */
async function createDatabase(
  postgres: string,
  data: string,
  how: { cwd: string; env: Environment; signal: AbortSignal },
): Promise<void> {
  const single = run(postgres, ['--single', '-D', data, 'postgres'], how)
  single.child.stdin?.end(`CREATE DATABASE ${database}\n`)
  await single
}
