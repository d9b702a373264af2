import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import { apiVersion } from '../../lib/crd/group.ts'
import type { Stored } from '../../lib/crd/objects.ts'
import { openCluster } from '../../lib/kubernetes/open-cluster.ts'
import { type BenchCluster, openBenchCluster } from './bench-cluster.ts'
import { bundle, bundleFunction } from './bundle.ts'
import { finalized } from './creator.ts'
import { functionEnvironment, startFront } from './lambda-front.ts'
import { type ProcessorShare, processorShare, wholeProcessorMb } from './lambda-share.ts'
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
  const env = {
    ...functionEnvironment(cluster),
    ...sample.environment,
    ...front.variables,
    DATABASE_URL: databaseUrl,
  }
  let team = 0
  write(['memory', 'share', ...Object.values(columns).map(title => title.padEnd(10)), 'row'].join('  '))
  for (const memory of memories) {
    const share = await processorShare('cold-start', memory)
    const measured: Times[] = []
    // The first run reads the files from the disk.
    for (let run = 0; run <= runs; run += 1) {
      team += 1
      const times = await coldStart({ cluster, share, files, env, team })
      if (run > 0) measured.push(times)
    }
    await share.remove()
    write(rowOf(memory, measured))
  }
} finally {
  await stack.disposeAsync()
}

interface ColdStart {
  cluster: BenchCluster
  share: ProcessorShare
  files: string[]
  env: Record<string, string>
  team: number
}

async function coldStart({ cluster, share, files, env, team }: ColdStart): Promise<Times> {
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
  const args = share.run([process.execPath, ...files, JSON.stringify(body)])
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
