import { setTimeout as sleep } from 'node:timers/promises'
import { apiVersion } from '../../lib/crd/group.ts'
import { collectionPath } from '../../lib/kubernetes/client/paths.ts'
import { type Arrivals, soon, watchArrivals } from './arrivals.ts'
import { type BenchCluster, openBenchCluster } from './bench-cluster.ts'
import { type Burst, type BurstOptions, burst, namesOf } from './burst.ts'
import { type CallCounts, countCalls } from './call-counts.ts'
import type { Usage } from './child-side.ts'
import { type Create, callsUntilApplied, creator } from './creator.ts'
import { callsFigure, type Figure, inPlacement, kubernetesEventsFigure, type Result } from './figures.ts'
import { quantile } from './latency.ts'
import { startOperator } from './operator.ts'
import { operated } from './sample.ts'
import type { Progress, Scale } from './scale.ts'

/** Pods take most of this time: the controllers' and the scheduler's. */
const limitMs = 600_000
const warmUps = 10
/** Instances that are created, and later deleted, one after the other. */
const alone = 10
/** Milliseconds after which everything that a change of a phase causes has ended. */
const pauseMs = 1_000
/** API calls for each instance from its first status until it is Ready. */
const callsUntilReady = 4

/** A running operator over a whole control plane. */
interface Life {
  cluster: BenchCluster
  arrivals: Arrivals
  create: Create
  remove: Create
  progress: Progress
  /** API calls until an instance is Ready, at most. */
  mostUntilReady: number
}

/** Measures creation to Ready and deletion, with controllers, scheduler and simulated nodes. */
export async function fullLife(scale: Scale, progress: Progress, signal: AbortSignal): Promise<Result[]> {
  const { placement } = scale.sample
  progress('starting a control plane with its controllers, Postgres and SQS')
  const cluster = await openBenchCluster({ ...scale, full: true }, signal)
  try {
    const arrivals = await watchArrivals(cluster.client, { namespace: operated, placement }, cluster.signal)
    const teams = warmUps + alone + scale.full
    const operator = await startOperator(cluster, { ...scale, teams }, signal)
    const path = collectionPath({ apiVersion, kind: 'ChallengeInstance' }, operated)
    const life: Life = {
      cluster,
      arrivals,
      create: creator(cluster.bare).withFinalizer,
      remove: (name, until) => cluster.bare.call('DELETE', `${path}/${name}`, undefined, until),
      progress,
      mostUntilReady: callsUntilApplied[placement] + callsUntilReady,
    }
    const warm = namesOf('warm', warmUps)
    await atOnce(life, { names: warm, begin: life.create, milestone: 'ready' }, signal)
    await atOnce(life, { names: warm, begin: life.remove, milestone: 'gone' }, signal)
    const results = [...(await runAlone(life, signal)), ...(await runBurst(life, scale.full, signal))]
    const { rssMb } = await operator.ask<Usage>('usage')
    const memory = { name: 'operator, memory', value: rssMb, unit: 'MB' }
    results.at(-1)?.figures.push(memory)
    return results.map(result => inPlacement(result, placement))
  } finally {
    await cluster.stack.disposeAsync()
  }
}

/** One instance after the other: no message waits for another one, and no pass sees the work of two changes. */
async function runAlone(life: Life, signal: AbortSignal): Promise<Result[]> {
  const { create, remove, progress, mostUntilReady } = life
  const names = namesOf('alone', alone)
  progress(`full: ${alone} creates, one by one, until a pod serves`)
  const ready = await inTurn(life, { names, begin: create, milestone: 'ready' }, signal)
  progress(`full: ${alone} deletions, one by one`)
  const gone = await inTurn(life, { names, begin: remove, milestone: 'gone' }, signal)
  const figures = (what: string, { took, counted }: typeof ready, most?: number): Figure[] => [
    { name: `${what}, p50`, value: quantile(took, 0.5), unit: 'ms' },
    ...callsOf(counted, most),
  ]
  return [
    {
      scenario: `until Ready: ${alone} creates, one by one`,
      figures: figures('create to Ready', ready, mostUntilReady),
      calls: ready.counted.byKind,
    },
    {
      scenario: `deletion: ${alone}, one by one`,
      figures: figures('deletion to gone', gone),
      calls: gone.counted.byKind,
    },
  ]
}

async function runBurst(life: Life, count: number, signal: AbortSignal): Promise<Result[]> {
  const { create, remove, progress, mostUntilReady } = life
  const names = namesOf('full', count)
  progress(`full: ${count} creates until a pod serves`)
  const ready = await atOnce(life, { names, begin: create, milestone: 'ready' }, signal)
  progress(`full: ${count} deletions`)
  const gone = await atOnce(life, { names, begin: remove, milestone: 'gone' }, signal)
  return [
    {
      scenario: `until Ready: ${count} creates at once, with controllers, scheduler and simulated nodes`,
      figures: [...speed('create to Ready', ready), ...callsOf(ready.counted, mostUntilReady)],
      calls: ready.counted.byKind,
    },
    {
      scenario: `deletion: ${count} at once`,
      figures: [...speed('deletion to gone', gone), ...callsOf(gone.counted)],
      calls: gone.counted.byKind,
    },
  ]
}

type Begun = Pick<BurstOptions, 'names' | 'begin' | 'milestone'>

async function atOnce({ cluster, arrivals, progress }: Life, begun: Begun, signal: AbortSignal) {
  const run = () => burst({ ...begun, arrivals, limitMs, progress }, signal)
  return counting(cluster, begun.names.length, run, signal)
}

async function inTurn({ cluster, arrivals }: Life, begun: Begun, signal: AbortSignal) {
  const { names, begin, milestone } = begun
  const run = async () => {
    const took: number[] = []
    for (const name of names) {
      const start = performance.now()
      await begin(name, signal)
      took.push((await soon(arrivals.at(name, milestone), `${name} ${milestone}`, signal)) - start)
      await sleep(pauseMs, undefined, { signal })
    }
    return { took }
  }
  return counting(cluster, names.length, run, signal)
}

/** Counts the calls of the operator while something runs. */
async function counting<T extends object>(
  { audit }: BenchCluster,
  instances: number,
  run: () => Promise<T>,
  signal: AbortSignal,
): Promise<T & { counted: CallCounts }> {
  const from = await audit.mark(signal)
  const figures = await run()
  const to = await audit.mark(signal)
  return { ...figures, counted: countCalls(await audit.calls(from, to), instances) }
}

function speed(what: string, { perSecond, p50, p99 }: Burst): Figure[] {
  return [
    { name: what, value: perSecond, unit: 'a second' },
    { name: `${what}, p50`, value: p50, unit: 'ms' },
    { name: `${what}, p99`, value: p99, unit: 'ms' },
  ]
}

function callsOf({ total, passes, kubernetesEvents }: CallCounts, most?: number): Figure[] {
  return [
    callsFigure(total, most),
    kubernetesEventsFigure(kubernetesEvents, most === undefined ? undefined : 1),
    { name: 'passes for each instance', value: passes, unit: '' },
  ]
}
