import { type Burst, burst, namesOf } from './burst.ts'
import { countCalls } from './call-counts.ts'
import type { Usage } from './child-side.ts'
import type { Contest } from './creation.ts'
import { callsUntilApplied } from './creator.ts'
import { callsFigure, type Figure, kubernetesEventsFigure, type Result } from './figures.ts'
import { processorMs } from './processor-time.ts'
import type { Progress } from './scale.ts'

const limitMs = 180_000
/** Aim: share of the throughput of bare calls. */
const shareOfFloor = 0.8

/** Measures a burst by the operator between two halves by bare calls, because the machine's speed may change meanwhile. */
export async function runCreationBurst(
  contest: Contest,
  count: number,
  progress: Progress,
  signal: AbortSignal,
): Promise<Result> {
  const { cluster, operator, create, placement, floor, seen } = contest
  const options = { milestone: 'applied', limitMs, progress } as const
  const run = async (who: 'operator' | 'floor', names: string[]) => {
    const begin = { operator: create.withFinalizer, floor }[who]
    const before = await timesOf(contest)
    const made = await burst({ ...options, names, begin, arrivals: seen[who] }, signal)
    return { ...made, spent: eachOf(before, await timesOf(contest), names.length) }
  }
  const half = Math.ceil(count / 2)
  const before = await run('floor', namesOf('before', half))
  const from = await cluster.audit.mark(signal)
  const own = await run('operator', namesOf('burst', count))
  const to = await cluster.audit.mark(signal)
  const after = await run('floor', namesOf('after', half))
  const { total, byKind, passes, kubernetesEvents } = countCalls(await cluster.audit.calls(from, to), count)
  const floorRate = 2 / (1 / before.perSecond + 1 / after.perSecond)
  const { rssMb } = await operator.ask<Usage>('usage')
  return {
    scenario: `burst: ${count} creates at once`,
    figures: [
      {
        name: 'applied',
        value: own.perSecond,
        unit: 'a second',
        aim: { bound: 'at least', value: shareOfFloor * floorRate },
      },
      { name: 'create to applied, p50', value: own.p50, unit: 'ms' },
      { name: 'create to applied, p99', value: own.p99, unit: 'ms' },
      { name: 'the same calls bare, before', value: before.perSecond, unit: 'a second' },
      { name: 'the same calls bare, after', value: after.perSecond, unit: 'a second' },
      callsFigure(total, callsUntilApplied[placement]),
      { name: 'passes for each instance', value: passes, unit: '' },
      kubernetesEventsFigure(kubernetesEvents),
      ...spentFigures('operator', own.spent),
      ...spentFigures('API server', own.spent),
      ...spentFigures('API server', after.spent, ', bare'),
      ...spentFigures('SQS stand-in', own.spent),
      { name: 'operator, memory', value: rssMb, unit: 'MB' },
      ...stolenFigures({ 'bare, before': before, operator: own, 'bare, after': after }),
    ],
    calls: byKind,
  }
}

/** Milliseconds of processor time by process. */
type Times = Record<'operator' | 'API server' | 'SQS stand-in', number | undefined>

async function timesOf({ cluster, operator }: Contest): Promise<Times> {
  const [own, queues, apiServer] = await Promise.all([
    operator.ask<Usage>('usage'),
    cluster.queues.ask<Usage>('usage'),
    processorMs(cluster.plane.pids['kube-apiserver']),
  ])
  return { operator: own.cpuMs, 'SQS stand-in': queues.cpuMs, 'API server': apiServer }
}

function eachOf(before: Times, after: Times, count: number): Times {
  const each = (who: keyof Times) => {
    const [from, to] = [before[who], after[who]]
    return from === undefined || to === undefined ? undefined : (to - from) / count
  }
  return {
    operator: each('operator'),
    'API server': each('API server'),
    'SQS stand-in': each('SQS stand-in'),
  }
}

function spentFigures(who: keyof Times, spent: Times, note = ''): Figure[] {
  const value = spent[who]
  return value === undefined ? [] : [{ name: `${who}${note}, processor time each`, value, unit: 'ms' }]
}

/** Shows whether other machines took the same share of each burst. If not, the bursts cannot be compared. */
function stolenFigures(bursts: Record<string, Burst>): Figure[] {
  return Object.entries(bursts).flatMap(([who, { stolenPercent: value }]) =>
    value === undefined ? [] : [{ name: `${who}, taken by other machines`, value, unit: '%' }],
  )
}
