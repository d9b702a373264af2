import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BenchCluster, openBenchCluster, sideBySide } from './bench-cluster.ts'
import { bundle } from './bundle.ts'
import { namesOf } from './burst.ts'
import { startChild } from './child.ts'
import type { Usage } from './child-side.ts'
import { inPlacement, type Result } from './figures.ts'
import type { ForwarderStart, Judged } from './forwarder-process.ts'
import type { Sample } from './sample.ts'
import type { Progress, Scale } from './scale.ts'
import { createServingObjects } from './serving-objects.ts'

const progressEvery = 1_000
/** A delayed mismatch is sent within two seconds, a late one within the next two. */
const watchedMs = 10_000
const memoryAimMb = 150
/** The variable that serverless.yml sets for the function. */
const asDeployed = { MALLOC_ARENA_MAX: '1' }

/** Measures a forwarder that starts over instances with nothing to do. */
export async function idleForwarder(
  scale: Scale,
  progress: Progress,
  signal: AbortSignal,
): Promise<Result[]> {
  const { ready: count, sample } = scale
  progress('starting API server, etcd and SQS')
  const cluster = await openBenchCluster({ ...scale, full: false }, signal)
  try {
    progress(`forwarder: laying ${count} Ready instances with children and pods`)
    const settle = await createServingObjects(cluster.bare, sample, signal)
    const names = namesOf('ready', count).entries()
    const work = async () => {
      for (const [index, name] of names) {
        await settle(name, index + 1)
        if ((index + 1) % progressEvery === 0) progress(`  ${index + 1} of ${count}`)
      }
    }
    await Promise.all(Array.from({ length: sideBySide }, work))

    // The bundle lies below the project, because Node looks for packages in the folders above it.
    const folder = await mkdtemp(join(import.meta.dirname, '.bundle-'))
    cluster.stack.defer(() => rm(folder, { recursive: true }))
    const bundled = await bundle('forwarder-process.ts', folder)
    progress('forwarder: starting, bundled as its function')
    const deployed = await observe(cluster, { sample, count, file: bundled }, signal)
    progress('forwarder: starting, as `challenge-operator forward`')
    const fromSources = await observe(cluster, { sample, count, file: 'forwarder-process.ts' }, signal)
    return [
      result(`forwarder: started over ${count} Ready instances, bundled as its function`, count, deployed),
      result('the same as `challenge-operator forward`, from its sources', count, fromSources),
    ].map(each => inPlacement(each, sample.placement))
  } finally {
    await cluster.stack.disposeAsync()
  }
}

interface Seen {
  empty: Usage
  judged: Judged
  rest: Usage & { sent: number }
}

async function observe(
  { addresses, plane }: BenchCluster,
  { sample, count, file }: { sample: Sample; count: number; file: string },
  signal: AbortSignal,
): Promise<Seen> {
  const forwarder = startChild(file, { nodeOptions: ['--expose-gc'], env: asDeployed })
  try {
    const empty = await forwarder.ask<Usage>('usage')
    const { kubeconfig } = plane
    const start: ForwarderStart = { env: sample.environment, kubeconfig, addresses }
    const judged = await forwarder.ask<Judged>('start', start)
    if (judged.rows !== count) throw new Error(`${judged.rows} of ${count} Ready instances were judged`)
    await sleep(watchedMs, undefined, { signal })
    return { empty, judged, rest: await forwarder.ask('usageWhenQuiet') }
  } finally {
    await forwarder.stop()
  }
}

function result(scenario: string, count: number, { empty, judged, rest }: Seen): Result {
  const tableKb = ((rest.heapMb - empty.heapMb) * 1024) / count
  return {
    scenario,
    figures: [
      { name: 'memory', value: rest.rssMb, unit: 'MB', aim: { bound: 'at most', value: memoryAimMb } },
      { name: 'memory, highest', value: rest.peakRssMb, unit: 'MB' },
      { name: 'memory, before it watches', value: empty.rssMb, unit: 'MB' },
      { name: 'heap after collection', value: rest.heapMb, unit: 'MB' },
      { name: 'of it for each instance', value: tableKb, unit: 'kB' },
      { name: 'start to whole table judged', value: judged.startMs, unit: 'ms' },
      { name: 'judging the whole table', value: judged.judgeMs, unit: 'ms' },
      { name: 'messages sent', value: rest.sent, unit: '', aim: { bound: 'at most', value: 0 } },
    ],
  }
}
