import { mkdir, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Environment } from '../../lib/config/section.ts'
import { type ChildProcess, startChildProcess } from '../process/child-process.ts'
import { acquireLock } from '../process/lock.ts'
import { samePortOrFree } from '../process/ports.ts'
import { unlessDead, waitUntil } from '../process/wait.ts'
import { postgresBinaries, postgresUser } from './postgres-binaries.ts'
import { type DataOptions, database, ensureData, readIdentity, superuser } from './postgres-data.ts'
import { reachablePlace } from './postgres-place.ts'

export interface PostgresOptions {
  /** Holds data, log and password. The data of an earlier run is used again. */
  directory: string
  /** The environment of the server. */
  env: Environment
  port?: number
  /** Replaces /var/lib/challenge-operator, where data are whose account cannot enter `directory`. For tests. */
  outside?: string
  /** Does not wait for the disk, for tests whose data need not survive a power cut. */
  unsafeNoFsync?: boolean
}

export interface Postgres {
  /** URL of the database `challenge_operator`. */
  readonly url: string
  /** The folder around the server's data: the one of the options, or one that the server's account can enter. */
  readonly dataDirectory: string
  readonly pid: number
  /** Rejects as soon as the server ends on its own. */
  readonly died: Promise<never>
  stop(): Promise<void>
  /** Makes an outage: ends every connection, keeps address and data. Resolves when the server accepts connections. */
  restart(options: { how?: 'stop' | 'kill'; downMs?: number }, signal: AbortSignal): Promise<void>
}

/** Time that the port of an earlier run has to become free: a killed predecessor lives on for up to 3 s. */
const predecessorMs = 5_000
const readyMs = 30_000
/** Connections of all handlers, tests and shells together. Postgres's own default is 100. */
const connections = 200

/**
 * Starts Postgres on the loopback address, with the database `challenge_operator`.
 * @throws Error that names the obstacle. `DATABASE_URL` is a way around each of them.
 */
export async function startPostgres(options: PostgresOptions, signal: AbortSignal): Promise<Postgres> {
  const directory = resolve(options.directory)
  const [binaries, user] = await Promise.all([postgresBinaries(), postgresUser(join(directory, 'data'))])
  await mkdir(directory, { recursive: true })
  const inUse = (pid: number) => {
    throw new Error(`the database in ${directory} is in use by process ${pid}; stop that process first`)
  }
  const lock = await acquireLock(join(directory, '.lock'), inUse, signal)
  let server: ChildProcess | undefined
  try {
    const { identity, isNew } = await readIdentity(directory)
    const { outside, env } = options
    const reachable = await reachablePlace({
      directory,
      binaries,
      user,
      isNew,
      ...(outside === undefined ? {} : { outside }),
    })
    const port = options.port ?? (await samePortOrFree(identity.port, predecessorMs, signal))
    identity.port = port
    await writeFile(join(directory, 'identity.json'), JSON.stringify(identity), { mode: 0o600 })
    const place = { ...reachable, user, env }
    await ensureData(place, identity.password, signal)
    const logFile = join(directory, 'postgres.log')
    const start = () => serve(place, { port, logFile, unsafeNoFsync: options.unsafeNoFsync ?? false })
    server = start()
    await unlessDead(server.died, signal, alive => acceptsConnections(port, alive))
    const { died, pid } = server
    return {
      url: `postgres://${superuser}:${identity.password}@127.0.0.1:${port}/${database}`,
      dataDirectory: place.directory,
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

function serve(
  { directory, binaries, user, env }: DataOptions,
  { port, logFile, unsafeNoFsync }: { port: number; logFile: string; unsafeNoFsync: boolean },
): ChildProcess {
  const data = join(directory, 'data')
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    max_connections: connections,
    // The default folder of the socket belongs to the machine and is often not writable.
    unix_socket_directories: '',
    ...(unsafeNoFsync ? { fsync: 'off', full_page_writes: 'off' } : {}),
  }
  return startChildProcess({
    name: 'postgres',
    command: binaries.postgres,
    args: ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    env: { ...env, LC_ALL: 'C' },
    logFile,
    directory: data,
    // Postgres's fast shutdown: it ends the sessions and writes a checkpoint, and does not wait for clients.
    stopSignal: 'SIGINT',
    ...(user === undefined ? {} : { user }),
  })
}

/** Sends a start-up packet: a server that is starting or recovering takes the connection, but answers with an error. */
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

/** The first packet of every client: protocol 3.0 and the user. */
const startUp = (() => {
  const body = Buffer.from(`\0\x03\0\0user\0${superuser}\0\0`, 'latin1')
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length + 4)
  return Buffer.concat([length, body])
})()
