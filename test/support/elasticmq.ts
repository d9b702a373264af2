import { execFile, spawn } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { access, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from '../../local/process/ports.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { temporaryFolder } from './temporary-folder.ts'

const run = promisify(execFile)
const root = resolve(import.meta.dirname, '../..')
const pom = join(root, 'tools/elasticmq/pom.xml')
const host = 'elasticmq.challenge-operator.svc'

export interface ElasticMq {
  endpoint: string
  stop(): Promise<void>
}

/** Why ElasticMQ cannot run here; undefined: it can. */
export async function elasticMqMissing(): Promise<string | undefined> {
  for (const [program, flag] of [
    ['java', '-version'],
    ['mvn', '-v'],
  ] as const)
    if (
      !(await run(program, [flag]).then(
        () => true,
        () => false,
      ))
    )
      return `there is no ${program}`
  return undefined
}

/** Starts ElasticMQ with the queues of `manifests/in-cluster/elasticmq`, on a port of its own. */
export async function startElasticMq(signal: AbortSignal): Promise<ElasticMq> {
  const [jars, port, folder] = await Promise.all([fetchedJars(), freePort(), temporaryFolder('elasticmq')])
  const deployed = await readFile(join(root, 'manifests/in-cluster/elasticmq/elasticmq.conf'), 'utf8')
  const config = join(folder.path, 'elasticmq.conf')
  const here = deployed.replaceAll('9324', String(port)).replace(host, '127.0.0.1')
  await writeFile(config, here.replace('"0.0.0.0"', '"127.0.0.1"'))
  const args = ['-Xmx192m', `-Dconfig.file=${config}`, '-cp', join(jars, '*'), 'org.elasticmq.server.Main']
  const child = spawn('java', args, { stdio: 'ignore' })
  const ended = once(child, 'close')
  const endpoint = `http://127.0.0.1:${port}`
  const stop = async () => {
    child.kill('SIGKILL')
    await ended
    await folder.remove()
  }
  const answers = async () => {
    if (child.exitCode !== null) throw new Error(`ElasticMQ ended with ${child.exitCode}`)
    return fetch(`${endpoint}/?Action=ListQueues`).then(
      ({ ok }) => ok,
      () => false,
    )
  }
  try {
    await waitUntil('ElasticMQ', 110_000, answers, signal)
  } catch (thrown) {
    await stop()
    throw thrown
  }
  return { endpoint, stop }
}

/** Fetches ElasticMQ by Maven into the cache of this machine, once for each version. @returns the folder */
async function fetchedJars(): Promise<string> {
  const key = createHash('sha256')
    .update(await readFile(pom))
    .digest('hex')
    .slice(0, 16)
  const cache = process.env.XDG_CACHE_HOME?.startsWith('/')
    ? process.env.XDG_CACHE_HOME
    : join(homedir(), '.cache')
  const parent = join(cache, 'challenge-operator', 'elasticmq')
  const folder = join(parent, key)
  if (
    await access(folder).then(
      () => true,
      () => false,
    )
  )
    return folder
  await mkdir(parent, { recursive: true })
  const draft = join(parent, `.${randomUUID()}`)
  const goal = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies'
  await run('mvn', ['-q', '-B', '-f', pom, goal, `-DoutputDirectory=${draft}`], { timeout: 300_000 })
  // Another process may have been faster.
  await rename(draft, folder).catch(() => rm(draft, { recursive: true, force: true }))
  return folder
}
