import { access, chown, constants, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { delimiter, join } from 'node:path'
import { postgresUser } from '../../local/parts/postgres-binaries.ts'
import { startChildProcess } from '../../local/process/child-process.ts'
import { freePort } from '../../local/process/ports.ts'
import { unlessDead, waitUntil } from '../../local/process/wait.ts'
import { temporaryFolder } from './temporary-folder.ts'

export interface PgBouncer {
  /** Returns the URL of the same database through the pooler. */
  urlOf(databaseUrl: string): string
  stop(): Promise<void>
}

/** Debian installs it where only root's PATH leads. */
const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']

/** @returns the path of the program, undefined if it is not installed */
export async function pgBouncerProgram(): Promise<string | undefined> {
  for (const folder of folders) {
    const path = join(folder, 'pgbouncer')
    if (
      await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return path
  }
  return undefined
}

/**
 * Starts PgBouncer in front of a server, with one session of the server for each transaction and two for each database:
 * fewer than clients, so that clients get each other's sessions.
 */
export async function startPgBouncer(
  program: string,
  serverUrl: string,
  signal: AbortSignal = AbortSignal.timeout(20_000),
): Promise<PgBouncer> {
  const { hostname, port: serverPort, username, password } = new URL(serverUrl)
  const [folder, port, user] = await Promise.all([temporaryFolder('pgbouncer'), freePort(), postgresUser()])
  const write = async (name: string, lines: string[]) => {
    const path = join(folder.path, name)
    await writeFile(path, `${lines.join('\n')}\n`, { mode: 0o600 })
    if (user) await chown(path, user.uid, user.gid)
    return path
  }
  const users = await write('users.txt', [`"${username}" "${decodeURIComponent(password)}"`])
  const settings = await write('pgbouncer.ini', [
    '[databases]',
    `* = host=${hostname} port=${serverPort}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${port}`,
    'unix_socket_dir =',
    'auth_type = scram-sha-256',
    `auth_file = ${users}`,
    `auth_user = ${username}`,
    'pool_mode = transaction',
    'default_pool_size = 2',
    'max_client_conn = 200',
  ])
  const server = startChildProcess({
    name: 'pgbouncer',
    command: program,
    args: [settings],
    env: { PATH: process.env.PATH },
    logFile: join(folder.path, 'pgbouncer.log'),
    directory: folder.path,
    stopSignal: 'SIGINT',
    ...(user === undefined ? {} : { user }),
  })
  const listens = () =>
    new Promise<boolean>(done => {
      const socket = connect(port, '127.0.0.1', () => socket.end(() => done(true)))
      socket.once('error', () => done(false))
    })
  const stop = async () => {
    await server.stop()
    await folder.remove()
  }
  try {
    await unlessDead(server.died, signal, alive => waitUntil('PgBouncer', 10_000, listens, alive))
  } catch (thrown) {
    await stop()
    throw thrown
  }
  return {
    urlOf(databaseUrl) {
      const url = new URL(databaseUrl)
      url.port = String(port)
      return url.href
    },
    stop,
  }
}
