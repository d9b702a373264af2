import { apiVersion } from '../../lib/crd/group.ts'
import { collectionPath } from '../../lib/kubernetes/client/paths.ts'
import { watchArrivals } from './arrivals.ts'
import { openBenchCluster } from './bench-cluster.ts'
import { burst, namesOf } from './burst.ts'
import { type CallCounts, countCalls } from './call-counts.ts'
import { callsUntilApplied, creator } from './creator.ts'
import { callsFigure, type Figure, type Result } from './figures.ts'
import { startOperator } from './operator.ts'
import { operated } from './sample.ts'
import type { Progress, Scale } from './scale.ts'

/** Pods take most of this time: the controllers' and the scheduler's. */
const limitMs = 600_000
const warmUps = 10
/** API calls for each instance from its first status until it is Ready. */
const callsUntilReady = 4

/** Measures creation to Ready and deletion, with controllers, scheduler and simulated nodes. */
export async function fullLife(scale: Scale, progress: Progress, signal: AbortSignal): Promise<Result[]> {
  const count = scale.full
  progress('starting a control plane with its controllers, Postgres and SQS')
  const cluster = await openBenchCluster({ full: true, pinned: scale.pinned }, signal)
  try {
    const arrivals = await watchArrivals(cluster.client, operated, cluster.signal)
    const operator = await startOperator(cluster, { teams: warmUps + count, profile: scale.profile }, signal)
    const { withFinalizer: create } = creator(cluster.bare)
    const path = collectionPath({ apiVersion, kind: 'ChallengeInstance' }, operated)
    const remove = (name: string, until: AbortSignal) =>
      cluster.bare.call('DELETE', `${path}/${name}`, undefined, until)
    const measured = async (run: () => ReturnType<typeof burst>) => {
      const from = await cluster.audit.mark(signal)
      const figures = await run()
      const to = await cluster.audit.mark(signal)
      return { ...figures, counted: countCalls(await cluster.audit.calls(from, to), count) }
    }
    const options = { arrivals, limitMs, progress }
    const warm = namesOf('warm', warmUps)
    await burst({ ...options, names: warm, begin: create, milestone: 'ready' }, signal)
    await burst({ ...options, names: warm, begin: remove, milestone: 'gone' }, signal)

    const names = namesOf('full', count)
    progress(`full: ${count} creates until a pod serves`)
    const ready = await measured(() =>
      burst({ ...options, names, begin: create, milestone: 'ready' }, signal),
    )
    progress(`full: ${count} deletions`)
    const gone = await measured(() => burst({ ...options, names, begin: remove, milestone: 'gone' }, signal))
    const { rssMb } = await operator.ask<{ rssMb: number }>('usage')
    return [
      {
        scenario: `until Ready: ${count} creates at once, with controllers, scheduler and simulated nodes`,
        figures: [
          ...speed('create to Ready', ready),
          ...callsOf(ready.counted, callsUntilApplied + callsUntilReady),
        ],
        calls: ready.counted.byKind,
      },
      {
        scenario: `deletion: ${count} at once`,
        figures: [
          ...speed('deletion to gone', gone),
          ...callsOf(gone.counted),
          { name: 'operator, memory', value: rssMb, unit: 'MB' },
        ],
        calls: gone.counted.byKind,
      },
    ]
  } finally {
    await cluster.stack.disposeAsync()
  }
}

function speed(what: string, { perSecond, p50, p99 }: Awaited<ReturnType<typeof burst>>): Figure[] {
  return [
    { name: what, value: perSecond, unit: 'a second' },
    { name: `${what}, p50`, value: p50, unit: 'ms' },
    { name: `${what}, p99`, value: p99, unit: 'ms' },
  ]
}

function callsOf({ total, passes }: CallCounts, most?: number): Figure[] {
  return [callsFigure(total, most), { name: 'passes for each instance', value: passes, unit: '' }]
}
