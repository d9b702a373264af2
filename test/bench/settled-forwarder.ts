import { setTimeout as sleep } from 'node:timers/promises'
import { namesOf } from './burst.ts'
import { startChild } from './child.ts'
import type { Usage } from './child-side.ts'
import type { Result } from './figures.ts'
import type { ForwarderStart, Judged } from './forwarder-process.ts'
import { operated } from './sample.ts'
import type { Progress, Scale } from './scale.ts'
import { createSettledObjects } from './settled-objects.ts'
import { openWorld, sideBySide, type World } from './world.ts'

const progressEvery = 1_000
/** Held mismatches would be sent within two seconds, and what is late within the next. */
const watchedMs = 10_000
const memoryAimMb = 150
/** V8 lets the young generation grow to three times 16 MB and more under the first lists, and keeps what it got. */
const smallYoungGeneration = '--max-semi-space-size=1'

/** A forwarder that starts over instances at which nothing is to be done. */
export async function settledForwarder(
  scale: Scale,
  progress: Progress,
  signal: AbortSignal,
): Promise<Result[]> {
  const count = scale.settled
  progress('starting API server, etcd and SQS')
  const world = await openWorld(false, signal)
  try {
    progress(`forwarder: laying ${count} settled instances with children and pods`)
    const settle = await createSettledObjects(world.bare, signal)
    const names = namesOf('settled', count).entries()
    const work = async () => {
      for (const [index, name] of names) {
        await settle(name, index + 1)
        if ((index + 1) % progressEvery === 0) progress(`  ${index + 1} of ${count}`)
      }
    }
    await Promise.all(Array.from({ length: sideBySide }, work))

    const asIs = await observe(world, count, [], progress, signal)
    const bounded = await observe(world, count, [smallYoungGeneration], progress, signal)
    return [
      result(`forwarder: started over ${count} settled instances`, count, asIs),
      result(`the same with node ${smallYoungGeneration}`, count, bounded),
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
  { endpoints, plane }: World,
  count: number,
  nodeOptions: readonly string[],
  progress: Progress,
  signal: AbortSignal,
): Promise<Seen> {
  progress(`forwarder: starting ${nodeOptions.join(' ')}`)
  const forwarder = startChild('forwarder-process.ts', ['--expose-gc', ...nodeOptions])
  try {
    const empty = await forwarder.ask<Usage>('usage')
    const { kubeconfig } = plane
    const start: ForwarderStart = { namespace: operated, kubeconfig, endpoints }
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
