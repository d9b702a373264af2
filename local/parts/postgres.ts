import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chown, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Environment } from '../../lib/config/section.ts'
import { type ChildProcess, startChildProcess } from '../process/child-process.ts'
import { acquireLock } from '../process/lock.ts'
import { samePortOrFree } from '../process/ports.ts'
import { unlessDead, waitUntil } from '../process/wait.ts'
import {
  type PostgresBinaries,
  postgresBinaries,
  postgresUser,
  requireReachable,
} from './postgres-binaries.ts'

const run = promisify(execFile)

export interface PostgresOptions {
  /** Data, log and password; what an earlier run left there is resumed. */
  directory: string
  /** For the server; of our own process. */
  env: Environment
  port?: number
  /** Does not wait for the disk: for tests, whose data need not survive a power cut. */
  unsafeNoFsync?: boolean
}

export interface Postgres {
  /** Of the database `challenge_operator`. */
  readonly url: string
  readonly pid: number
  /** Rejects as soon as the server ends by itself. */
  readonly died: Promise<never>
  stop(): Promise<void>
  /** An outage: ends every connection, keeps address and data. Resolves when connections are taken again. */
  restart(options: { how?: 'stop' | 'kill'; downMs?: number }, signal: AbortSignal): Promise<void>
}

interface Identity {
  port?: number
  password: string
}

type User = { uid: number; gid: number } | undefined

const database = 'challenge_operator'
const superuser = 'postgres'
const predecessorMs = 5_000
const readyMs = 30_000
const connections = 200

/** @throws Error saying what is in the way, and that `DATABASE_URL` is a way around it */
export async function startPostgres(options: PostgresOptions, signal: AbortSignal): Promise<Postgres> {
  const directory = resolve(options.directory)
  const [binaries, user] = await Promise.all([postgresBinaries(), postgresUser()])
  await mkdir(directory, { recursive: true })
  const inUse = (pid: number) => {
    throw new Error(`the database in ${directory} is in use by process ${pid}; stop that first`)
  }
  const lock = await acquireLock(join(directory, '.lock'), inUse, signal)
  let server: ChildProcess | undefined
  try {
    const identity = await readIdentity(directory)
    const port = options.port ?? (await samePortOrFree(identity.port, predecessorMs, signal))
    identity.port = port
    await writeFile(join(directory, 'identity.json'), JSON.stringify(identity), { mode: 0o600 })
    await makeCluster(directory, binaries, user, identity.password, options.env, signal)
    const start = () => serve(directory, binaries, user, port, options)
    server = start()
    await unlessDead(server.died, signal, alive => acceptsConnections(port, alive))
    const { died, pid } = server
    return {
      url: `postgres://${superuser}:${identity.password}@127.0.0.1:${port}/${database}`,
      died,
      get pid() {
        return server?.pid ?? pid
      },
      async stop() {
        await server?.stop()
        await lock.release()
      },
      async restart({ how = 'stop', downMs = 0 }, restartSignal) {
        await server?.[how]()
        await sleep(downMs, undefined, { signal: restartSignal })
        server = start()
        await unlessDead(server.died, restartSignal, alive => acceptsConnections(port, alive))
      },
    }
  } catch (thrown) {
    await server?.stop()
    await lock.release()
    throw thrown
  }
}

async function readIdentity(directory: string): Promise<Identity> {
  const text = await readFile(join(directory, 'identity.json'), 'utf8').catch(() => undefined)
  if (text !== undefined) return JSON.parse(text) as Identity
  return { password: randomBytes(18).toString('base64url') }
}

/** Made aside and moved into place whole, database included: a first start that was killed leaves nothing half-made. */
async function makeCluster(
  directory: string,
  { initdb, postgres }: PostgresBinaries,
  user: User,
  password: string,
  env: Environment,
  signal: AbortSignal,
): Promise<void> {
  await requireReachable(user, [directory, initdb])
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
    const said = (cause as { stderr?: string }).stderr ?? String(cause)
    throw new Error(`Postgres could not make its data folder: ${said.trim()}`, { cause })
  } finally {
    await rm(passwordFile, { force: true })
  }
  await rename(draft, data)
}

/** In single-user mode, as initdb itself does it: no connection, hence no client, is needed. */
async function createDatabase(
  postgres: string,
  data: string,
  how: { cwd: string; env: Environment; signal: AbortSignal },
): Promise<void> {
  const single = run(postgres, ['--single', '-D', data, 'postgres'], how)
  single.child.stdin?.end(`CREATE DATABASE ${database}\n`)
  await single
}

function serve(
  directory: string,
  { postgres }: PostgresBinaries,
  user: User,
  port: number,
  { env, unsafeNoFsync = false }: PostgresOptions,
): ChildProcess {
  const data = join(directory, 'data')
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    max_connections: connections,
    // Its folder is the machine's, and often not ours to write to.
    unix_socket_directories: '',
    ...(unsafeNoFsync ? { fsync: 'off', full_page_writes: 'off' } : {}),
  }
  return startChildProcess({
    name: 'postgres',
    command: postgres,
    args: ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    env: { ...env, LC_ALL: 'C' },
    logFile: join(directory, 'postgres.log'),
    directory: data,
    // Fast: ends the sessions and writes a checkpoint, instead of waiting for clients to leave.
    stopSignal: 'SIGINT',
    ...(user === undefined ? {} : { user }),
  })
}

/** A server that is starting or recovering takes the connection and answers a start-up with an error. */
function acceptsConnections(port: number, signal: AbortSignal): Promise<void> {
  const answers = () =>
    new Promise<boolean>((done, fail) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(startUp))
      socket.once('data', answer => {
        socket.destroy()
        // `R` asks for the password; `E` says that it is still starting.
        done(answer.toString('latin1', 0, 1) === 'R')
      })
      socket.once('error', fail)
      socket.once('close', () => done(false))
    })
  return waitUntil('readiness of Postgres', readyMs, answers, signal)
}

/** Protocol 3.0, user postgres: what every client sends first. */
const startUp = (() => {
  const body = Buffer.from(`\0\x03\0\0user\0${superuser}\0\0`, 'latin1')
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length + 4)
  return Buffer.concat([length, body])
})()
