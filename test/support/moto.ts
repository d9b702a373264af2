import { execFile } from 'node:child_process'
import { access, mkdir, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type ChildProcess, startChildProcess } from '../../local/process/child-process.ts'
import { acquireLock } from '../../local/process/lock.ts'
import { freePort } from '../../local/process/ports.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { type TemporaryFolder, temporaryFolder } from './temporary-folder.ts'

const run = promisify(execFile)

/** moto answers as AWS does, over HTTP: the requests are signed and parsed, and errors have their types. */
const requirement = 'moto[server]==5.2.5'
/** Minutes on a busy machine. It happens once on a machine. */
const installMs = 420_000

export interface Moto {
  /** `http://127.0.0.1:<port>`. */
  endpoint: string
  stop(): Promise<void>
}

/**
 * Returns the path of `moto_server`: that of MOTO_SERVER, or of a virtual environment which is made once, in the user's
 * cache. @returns undefined, with a message, on a machine without Python or without PyPI
 */
export async function motoServer(): Promise<string | undefined> {
  const given = process.env.MOTO_SERVER
  if (given) return given
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'challenge-operator')
  const environment = join(cache, requirement.replace(/\W+/g, '-'))
  const server = join(environment, 'bin/moto_server')
  await mkdir(cache, { recursive: true })
  const lock = await acquireLock(`${environment}.lock`, () => {}, AbortSignal.timeout(installMs))
  try {
    if (!(await exists(server))) await install(environment)
    return server
  } catch (thrown) {
    process.stderr.write(`Tests against AWS are skipped: moto cannot be installed (${firstLine(thrown)})\n`)
    return undefined
  } finally {
    await lock.release()
  }
}

/** A virtual environment holds its own path, so it is made in its place and removed if it does not become whole. */
async function install(environment: string): Promise<void> {
  const limit = { timeout: installMs }
  try {
    await run('python3', ['-m', 'venv', environment], limit)
    const pip = ['install', '--quiet', '--disable-pip-version-check', requirement, 'PyYAML']
    await run(join(environment, 'bin/pip'), pip, limit)
  } catch (thrown) {
    await rm(environment, { recursive: true, force: true })
    throw thrown
  }
}

/** Starts moto with nothing in it. */
export async function startMoto(server: string): Promise<Moto> {
  const folder: TemporaryFolder = await temporaryFolder('moto')
  const port = await freePort()
  const endpoint = `http://127.0.0.1:${port}`
  const child: ChildProcess = startChildProcess({
    name: 'moto',
    command: server,
    args: ['-H', '127.0.0.1', '-p', String(port)],
    env: { PATH: process.env.PATH },
    logFile: join(folder.path, 'moto.log'),
    directory: folder.path,
  })
  const stop = async () => {
    await child.stop()
    await folder.remove()
  }
  const answers = () =>
    fetch(`${endpoint}/moto-api/data.json`).then(
      ({ ok }) => ok,
      () => false,
    )
  const ready = waitUntil('moto', 60_000, answers, new AbortController().signal)
  await Promise.race([ready, child.died]).catch(async thrown => {
    await stop()
    throw thrown
  })
  return { endpoint, stop }
}

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  )

function firstLine(thrown: unknown): string {
  const { stderr, message = '' } = (thrown ?? {}) as { stderr?: string; message?: string }
  return ((stderr || message).trim().split('\n').at(-1) ?? '').slice(0, 200)
}
