import { setTimeout as sleep } from 'node:timers/promises'
import { soon } from './arrivals.ts'
import { namesOf } from './burst.ts'
import { countCalls } from './call-counts.ts'
import type { Contest } from './creation.ts'
import { type Creator, callsForFinalizer, callsUntilApplied } from './creator.ts'
import { callsFigure, type Result } from './figures.ts'
import { quantile } from './latency.ts'

/** Milliseconds after which everything that a creation causes has ended. */
const pauseMs = 300
/** Passes until V8 has compiled the hot code and connections are open. */
export const warmUps = 30
/** The design's aim: 1.5 times the bare calls for watching and queueing, and 15 ms for the way of a message. */
const latencyAim = (floorMs: number) => 1.5 * floorMs + 15

const scenarios: Record<keyof Creator, { title: string; moreCalls: number }> = {
  withFinalizer: { title: 'created with the finalizer', moreCalls: 0 },
  withoutFinalizer: { title: 'created without the finalizer', moreCalls: callsForFinalizer },
}

interface Took {
  operator: number[]
  floor: number[]
}

/** Creates one instance after the other, by the operator and by bare calls in turn, so that noise affects both. */
export async function runQuiet(contest: Contest, count: number, signal: AbortSignal): Promise<Result[]> {
  await inTurn(contest, 'withFinalizer', namesOf('warm', warmUps), 0, signal)
  return [
    await runCreates(contest, 'withFinalizer', count, signal),
    await runCreates(contest, 'withoutFinalizer', Math.ceil(count / 4), signal),
  ]
}

async function runCreates(
  contest: Contest,
  way: keyof Creator,
  count: number,
  signal: AbortSignal,
): Promise<Result> {
  const { audit } = contest.cluster
  const from = await audit.mark(signal)
  const took = await inTurn(contest, way, namesOf(`quiet-${way.toLowerCase()}`, count), pauseMs, signal)
  const { total, byKind, passes } = countCalls(await audit.calls(from, await audit.mark(signal)), count)
  const floorMs = quantile(took.floor, 0.5)
  return {
    scenario: `quiet: ${count} creates, one by one, ${scenarios[way].title}`,
    figures: [
      {
        name: 'create to applied, p50',
        value: quantile(took.operator, 0.5),
        unit: 'ms',
        aim: { bound: 'at most', value: latencyAim(floorMs) },
      },
      { name: 'create to applied, p95', value: quantile(took.operator, 0.95), unit: 'ms' },
      { name: 'the same calls bare, p50', value: floorMs, unit: 'ms' },
      { name: 'the same calls bare, p95', value: quantile(took.floor, 0.95), unit: 'ms' },
      callsFigure(total, callsUntilApplied[contest.placement] + scenarios[way].moreCalls),
      { name: 'passes for each instance', value: passes, unit: '' },
    ],
    calls: byKind,
  }
}

async function inTurn(
  { create, floor, seen }: Contest,
  way: keyof Creator,
  names: readonly string[],
  pause: number,
  signal: AbortSignal,
): Promise<Took> {
  const took: Took = { operator: [], floor: [] }
  const begin = { operator: create[way], floor }
  for (const name of names) {
    for (const who of ['operator', 'floor'] as const) {
      const start = performance.now()
      await begin[who](name, signal)
      took[who].push((await soon(seen[who].at(name, 'applied'), `${name} applied`, signal)) - start)
      await sleep(pause, undefined, { signal })
    }
  }
  return took
}
