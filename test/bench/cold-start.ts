import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, rmdir, writeFile } from 'node:fs/promises'
import { Agent, createServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import { apiVersion } from '../../lib/crd/group.ts'
import type { Stored } from '../../lib/crd/objects.ts'
import { openCluster } from '../../lib/kubernetes/open-cluster.ts'
import type { ControlPlane } from '../../local/control-plane/start.ts'
import { makeAuthority } from '../support/certificates.ts'
import { type BenchCluster, openBenchCluster } from './bench-cluster.ts'
import { bundle, bundleFunction } from './bundle.ts'
import { finalized } from './creator.ts'
import { startDatabase } from './operator.ts'
import { instance, operated, sampleOf, templateName } from './sample.ts'

/**
 * Measures a new sandbox of reconcile: the import of its bundle, and its first invocation, which creates an instance on a
 * real API server and database. Lambda gives a function its share of a processor by its memory, 1,769 MB for a whole one;
 * here a control group with the same share of each 20 ms has it. It needs control groups (version 1) and root.
 */
const { values } = parseArgs({
  options: {
    memory: { type: 'string', default: '256,512,768,1024,1769' },
    runs: { type: 'string', default: '5' },
  },
})
const memories = values.memory.split(',').map(Number)
const runs = Number(values.runs)
const write = (text: string) => void process.stdout.write(`${text}\n`)
const signal = AbortSignal.timeout(900_000)

const wholeProcessorMb = 1_769
const periodMicroseconds = 20_000
const controlGroups = '/sys/fs/cgroup/cpu'

interface Times {
  bareMs: number
  importMs: number
  invocationMs: number
  /** Processor time of all threads. */
  importProcessorMs: number
  invocationProcessorMs: number
  memoryMb: number
  /** Of the pass alone, from its line in the log. */
  passMs: number
  synced: string
}

/** Milliseconds, and MB; the median and the largest of the runs. */
const columns = {
  importMs: 'import',
  importProcessorMs: 'processor',
  invocationMs: 'invocation',
  passMs: 'pass',
  invocationProcessorMs: 'processor',
  memoryMb: 'resident',
} satisfies Partial<Record<keyof Times, string>>

const sample = sampleOf('Shared')
const stack = new AsyncDisposableStack()
try {
  const cluster = await openBenchCluster({ full: false, pinned: false, sample }, signal)
  stack.defer(() => cluster.stack.disposeAsync())
  const teams = memories.length * (runs + 1)
  const databaseUrl = await startDatabase(cluster, { teams, challenges: [templateName] }, signal)
  const front = await startFront(cluster.plane)
  stack.defer(() => front.stop())
  const folder = await mkdtemp(join(import.meta.dirname, '.bundle-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const files = [await bundle('cold-start-process.ts', folder), await bundleFunction('reconcile', folder)]
  const env = { ...environmentOf(cluster), ...front.variables, DATABASE_URL: databaseUrl }
  let team = 0
  write(['memory', 'share', ...Object.values(columns).map(title => title.padEnd(10)), 'row'].join('  '))
  for (const memory of memories) {
    const group = join(controlGroups, `cold-start-${process.pid}`)
    await limit(group, memory)
    const measured: Times[] = []
    // The first run reads the files from the disk.
    for (let run = 0; run <= runs; run += 1) {
      team += 1
      const times = await coldStart({ cluster, group, files, env, team })
      if (run > 0) measured.push(times)
    }
    await rmdir(group)
    write(rowOf(memory, measured))
  }
} finally {
  await stack.disposeAsync()
}

function environmentOf({ addresses }: BenchCluster): Record<string, string> {
  const { queues, bus, sqs } = addresses
  const endpoint = String(sqs.endpoint)
  return {
    ...sample.environment,
    PATH: process.env.PATH ?? '',
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'bench',
    AWS_SECRET_ACCESS_KEY: 'bench',
    AWS_ENDPOINT_URL_SQS: endpoint,
    AWS_ENDPOINT_URL_EVENTBRIDGE: String(bus?.clientOptions.endpoint),
    EVENT_BUS_NAME: bus?.name ?? '',
    CHANGES_QUEUE_URL: queues.changesUrl,
    TIMERS_QUEUE_URL: queues.timersUrl,
    DEAD_LETTERS_QUEUE_URL: queues.deadLettersUrl,
  }
}

/** Makes a control group with the share of a processor that Lambda gives to a function of this memory. */
async function limit(group: string, memory: number): Promise<void> {
  await mkdir(group)
  await writeFile(join(group, 'cpu.cfs_period_us'), String(periodMicroseconds))
  const quota = Math.round((periodMicroseconds * memory) / wholeProcessorMb)
  await writeFile(join(group, 'cpu.cfs_quota_us'), String(quota))
}

interface ColdStart {
  cluster: BenchCluster
  group: string
  files: string[]
  env: Record<string, string>
  team: number
}

async function coldStart({ cluster, group, files, env, team }: ColdStart): Promise<Times> {
  const name = `cold-${team}`
  const kind = 'ChallengeInstance'
  const reference = { apiVersion, kind, namespace: operated, name }
  const made = finalized(instance(operated, name, team))
  const objects = openCluster(cluster.client)
  await objects.create(made, signal)
  const { metadata } = (await objects.get<ChallengeInstance>(reference, signal)) as Stored<ChallengeInstance>
  const body = {
    ...{ v: 1, namespace: operated, name, uid: metadata.uid, cause: 'changed', attempt: 0 },
    resourceVersion: metadata.resourceVersion,
    at: new Date().toISOString(),
  }
  // The shell joins the group before it becomes Node.
  const script = 'echo $$ > "$0/tasks" && exec "$@"'
  const args = ['-c', script, group, process.execPath, ...files, JSON.stringify(body)]
  const { stdout } = await promisify(execFile)('/bin/sh', args, { env, timeout: 120_000 })
  const lines = stdout.trim().split('\n')
  const times = JSON.parse(lines.at(-1) ?? '{}') as Times
  const ended = lines.map(parsed).find(line => line?.message === 'pass ended')
  if (ended?.outcome !== 'settled') throw new Error(`the pass did not settle: ${stdout}`)
  const after = await objects.get<ChallengeInstance>(reference, signal)
  const synced = after?.status?.conditions?.find(({ type }) => type === 'Synced')
  return { ...times, passMs: Number(ended.milliseconds), synced: synced?.reason ?? 'unknown' }
}

function parsed(line: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

/** Median and largest of each. */
function rowOf(memory: number, measured: readonly Times[]): string {
  const shown = (field: keyof Times) => {
    const sorted = measured.map(times => Number(times[field])).toSorted((a, b) => a - b)
    const middle = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
    return `${Math.round(middle)}–${Math.round(sorted.at(-1) ?? Number.NaN)}`.padEnd(10)
  }
  const share = (memory / wholeProcessorMb).toFixed(2)
  const rows = [...new Set(measured.map(({ synced }) => synced))].join(', ')
  return [
    `${memory}`.padEnd(6),
    share.padEnd(5),
    ...(Object.keys(columns) as (keyof typeof columns)[]).map(shown),
    rows,
  ].join('  ')
}

/** Stands for the endpoint of EKS: an API server whose callers have tokens that EKS would check. */
async function startFront({ server, token, caData }: ControlPlane) {
  const authority = makeAuthority()
  const { certificate: cert, key } = authority.issue(['127.0.0.1'])
  const agent = new Agent({ ca: Buffer.from(caData, 'base64'), keepAlive: true })
  const front = createServer({ cert, key }, (incoming, outgoing) => {
    const { method, url = '/' } = incoming
    const headers = { ...incoming.headers, authorization: `Bearer ${token}` }
    const passed = request(server + url, { method, headers, agent }, answer => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    })
    passed.on('error', () => outgoing.destroy())
    incoming.pipe(passed)
  })
  front.listen(0, '127.0.0.1')
  await once(front, 'listening')
  const { port } = front.address() as AddressInfo
  return {
    variables: {
      EKS_CLUSTER_NAME: 'bench',
      EKS_CLUSTER_ENDPOINT: `https://127.0.0.1:${port}`,
      EKS_CLUSTER_CA: Buffer.from(authority.certificate).toString('base64'),
    },
    async stop() {
      front.closeAllConnections()
      front.close()
      agent.destroy()
    },
  }
}
