import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BenchCluster, openBenchCluster, sideBySide } from './bench-cluster.ts'
import { bundle } from './bundle.ts'
import { namesOf } from './burst.ts'
import { startChild } from './child.ts'
import type { Usage } from './child-side.ts'
import type { Result } from './figures.ts'
import type { ForwarderStart, Judged } from './forwarder-process.ts'
import { operated } from './sample.ts'
import type { Progress, Scale } from './scale.ts'
import { createServingObjects } from './serving-objects.ts'

const progressEvery = 1_000
/** Held mismatches would be sent within two seconds, and what is late within the next. */
const watchedMs = 10_000
const memoryAimMb = 150
/** See serverless.yml. */
const asDeployed = { MALLOC_ARENA_MAX: '1' }

/** A forwarder that starts over instances at which nothing is to be done. */
export async function idleForwarder(
  scale: Scale,
  progress: Progress,
  signal: AbortSignal,
): Promise<Result[]> {
  const count = scale.settled
  progress('starting API server, etcd and SQS')
  const world = await openBenchCluster(false, signal)
  try {
    progress(`forwarder: laying ${count} settled instances with children and pods`)
    const settle = await createServingObjects(world.bare, signal)
    const names = namesOf('settled', count).entries()
    const work = async () => {
      for (const [index, name] of names) {
        await settle(name, index + 1)
        if ((index + 1) % progressEvery === 0) progress(`  ${index + 1} of ${count}`)
      }
    }
    await Promise.all(Array.from({ length: sideBySide }, work))

    // What is left outside of a bundle is looked for in the folders above it.
    const folder = await mkdtemp(join(import.meta.dirname, '.bundle-'))
    world.stack.defer(() => rm(folder, { recursive: true }))
    const bundled = await bundle('forwarder-process.ts', folder)
    progress('forwarder: starting, bundled as its function')
    const deployed = await observe(world, count, bundled, signal)
    progress('forwarder: starting, as `challenge-operator forward`')
    const fromSources = await observe(world, count, 'forwarder-process.ts', signal)
    return [
      result(`forwarder: started over ${count} settled instances, bundled as its function`, count, deployed),
      result('the same as `challenge-operator forward`, from its sources', count, fromSources),
    ]
  } finally {
    await world.stack.disposeAsync()
  }
}

interface Seen {
  empty: Usage
  judged: Judged
  rest: Usage & { sent: number }
}

async function observe(
  { addresses, plane }: BenchCluster,
  count: number,
  file: string,
  signal: AbortSignal,
): Promise<Seen> {
  const forwarder = startChild(file, { nodeOptions: ['--expose-gc'], env: asDeployed })
  try {
    const empty = await forwarder.ask<Usage>('usage')
    const { kubeconfig } = plane
    const start: ForwarderStart = { namespace: operated, kubeconfig, addresses }
    const judged = await forwarder.ask<Judged>('start', start)
    if (judged.rows !== count) throw new Error(`${judged.rows} of ${count} settled instances were judged`)
    await sleep(watchedMs, undefined, { signal })
    return { empty, judged, rest: await forwarder.ask('atRest') }
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
