import { setTimeout as sleep } from 'node:timers/promises'
import { limited } from '../../lib/concurrency.ts'
import { apiVersion } from '../../lib/crd/group.ts'
import { collectionPath } from '../../lib/kubernetes/client/paths.ts'
import { rfc3339 } from '../../lib/lifetime.ts'
import { appliedStatus } from './applied-status.ts'
import type { AuditedCall } from './audit-log.ts'
import { openBareClient } from './bare-client.ts'
import { type BenchCluster, sideBySide } from './bench-cluster.ts'
import { namesOf } from './burst.ts'
import { finalized } from './creator.ts'
import { expiryFigures, marksOf } from './expiry-figures.ts'
import type { Figure, Result } from './figures.ts'
import type { InstanceSight } from './instance-sight.ts'
import { processorMs } from './processor-time.ts'
import { floor, instance, operated, type Sample } from './sample.ts'

const kind = { apiVersion, kind: 'ChallengeInstance' }

/** Deletions at once: as many passes as the operator of one process makes at the same time. */
const bareConnections = 40

/** An end that does not come during the bench, in milliseconds from now. */
const farMs = 86_400_000

/** The rehearsal says how long the edits take. They may take twice as long on a machine that others use, too. */
const spareFactor = 2
const spareMs = 10_000

export interface ManyEnds {
  sight: InstanceSight
  /** Ends the watches of the sight. Each of them costs the API server a tenth of a mark. */
  closeSight: () => void
  /** The instances that end, all Ready. */
  names: readonly string[]
  /** The processes whose processor time is measured, by their names. */
  pids: Readonly<Record<string, number | undefined>>
}

/** Moves the ends of instances into one second, and measures how late they are marked. */
export async function measureManyEnds(
  cluster: BenchCluster,
  { sight, closeSight, names, pids }: ManyEnds,
  progress: (line: string) => void,
  signal: AbortSignal,
): Promise<Result> {
  const { audit } = cluster
  const some = names.slice(0, Math.max(10, Math.ceil(names.length / 10)))
  const rehearsedMs = await moveEnds(
    cluster,
    sight,
    new Map(some.map(name => [name, Date.now() + farMs])),
    signal,
  )
  const editsMs = (rehearsedMs / some.length) * names.length * spareFactor
  const first = Math.ceil((Date.now() + editsMs + spareMs) / 1_000) * 1_000
  // A stride that shares no factor with the number: the order of the ends is neither that of names nor of creations.
  const stride = 617
  const ends = new Map(
    names.map((name, index) => [
      name,
      first + Math.floor((((index * stride) % names.length) * 1_000) / names.length),
    ]),
  )
  await moveEnds(cluster, sight, ends, signal)
  const leftMs = first - Date.now() - 5_000
  if (leftMs < 0) throw new Error('the ends came before all instances had them: choose fewer --instances')
  progress(`waiting ${Math.round(leftMs / 1_000)} s for the ends`)
  await sleep(leftMs)
  closeSight()
  const from = await audit.mark(signal)
  await sleep(first - Date.now())
  const samples: ProcessorSample[] = []
  let calls: AuditedCall[] = []
  let marks = new Map<string, number>()
  const sampling = new AbortController()
  const sampled = sampleProcessors(pids, samples, AbortSignal.any([signal, sampling.signal]))
  try {
    while (marks.size < names.length) {
      await sleep(lookMs, undefined, { signal })
      const to = await audit.mark(signal)
      calls = (await audit.calls(from, to)).filter(({ at }) => at >= first)
      marks = marksOf(ends, calls)
    }
  } finally {
    sampling.abort()
    await sampled
  }
  const lastMark = Math.max(...marks.values())
  const [before, after] = [samples[0], samples.find(({ at }) => at >= lastMark)]
  const worked = before && after ? workedFigures(before.times, after.times, names.length) : []
  const result = expiryFigures(ends, calls)
  return { ...result, figures: [...result.figures, ...worked] }
}

/** Between two looks into the audit log, in milliseconds: they are the bench's own work, on the same cores. */
const lookMs = 2_000
const sampleMs = 100

interface ProcessorSample {
  /** Epoch milliseconds. */
  at: number
  times: Record<string, number>
}

/** Keeps the processor times until the signal aborts. The log says later which of them is that of the last mark. */
async function sampleProcessors(
  pids: ManyEnds['pids'],
  samples: ProcessorSample[],
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    samples.push({ at: Date.now(), times: await processorTimes(pids) })
    await sleep(sampleMs, undefined, { signal }).catch(() => {})
  }
}

/** Moves ends, and waits until all statuses show them. @returns how long that took, in milliseconds */
async function moveEnds(
  { client }: BenchCluster,
  sight: InstanceSight,
  ends: ReadonlyMap<string, number>,
  signal: AbortSignal,
): Promise<number> {
  const began = performance.now()
  const inTurn = limited(sideBySide)
  await Promise.all(
    [...ends].map(async ([name, end]) => {
      const request = {
        body: { spec: { expiresAt: rfc3339(end) } },
        contentType: 'application/merge-patch+json',
      }
      const path = `${collectionPath(kind, operated)}/${name}`
      const { status } = await inTurn(() => client.request('PATCH', path, request, signal))
      if (status >= 300) throw new Error(`PATCH ${path}: ${status}`)
      await sight.until(name, seen => Date.parse(seen?.status?.expiresAt ?? '') === end)
    }),
  )
  return performance.now() - began
}

/**
 * Measures the floor: a client that marks as many instances by bare calls, each by a deletion with the version of the
 * instance as its precondition. The instances have a status as after a start, and no children.
 */
export async function measureBareMarks(
  cluster: BenchCluster,
  { sample, count, pids }: { sample: Sample; count: number; pids: ManyEnds['pids'] },
  signal: AbortSignal,
): Promise<Result> {
  const path = collectionPath(kind, floor)
  const template = sample.template(floor)
  const inTurn = limited(sideBySide)
  const made = await Promise.all(
    namesOf('bare', count).map((name, index) =>
      inTurn(async () => {
        const body = finalized(instance(floor, name, index + 1))
        const stored = JSON.parse(await cluster.bare.call('POST', path, JSON.stringify(body), signal))
        const desired = sample.desiredOf(stored)
        const children = desired.children.map(({ object }) => ({
          ...object,
          metadata: {
            ...object.metadata,
            uid: stored.metadata.uid,
            resourceVersion: '1',
            creationTimestamp: '',
          },
        }))
        const status = appliedStatus({ instance: stored, template, desired, made: children })
        const put = JSON.stringify({ ...stored, status })
        const { metadata } = JSON.parse(await cluster.bare.call('PUT', `${path}/${name}/status`, put, signal))
        return { name, uid: metadata.uid, resourceVersion: metadata.resourceVersion }
      }),
    ),
  )
  const client = openBareClient(cluster.plane, bareConnections, 'bench')
  const marking = async (each: typeof made, readsFirst: boolean): Promise<Figure[]> => {
    const before = await processorTimes(pids)
    const began = performance.now()
    await Promise.all(
      each.map(async ({ name, uid, resourceVersion }) => {
        if (readsFirst) await client.call('GET', `${path}/${name}`, undefined, signal)
        const body = JSON.stringify({ preconditions: { uid, resourceVersion } })
        await client.call('DELETE', `${path}/${name}`, body, signal)
      }),
    )
    const seconds = (performance.now() - began) / 1_000
    const figure = {
      name: readsFirst ? 'with a read before' : 'marks alone',
      value: each.length / seconds,
      unit: 'a second',
    }
    return [figure, ...workedFigures(before, await processorTimes(pids), each.length)]
  }
  try {
    const half = Math.ceil(count / 2)
    const figures = [
      ...(await marking(made.slice(0, half), false)),
      ...(await marking(made.slice(half), true)),
    ]
    return { scenario: `${count} deletion marks by bare calls, ${bareConnections} at once`, figures }
  } finally {
    await client.close()
  }
}

async function processorTimes(pids: ManyEnds['pids']): Promise<Record<string, number>> {
  const times = await Promise.all(
    Object.entries(pids).map(async ([name, pid]) => [name, (await processorMs(pid)) ?? 0] as const),
  )
  return Object.fromEntries(times)
}

function workedFigures(
  before: Record<string, number>,
  after: Record<string, number>,
  count: number,
): Figure[] {
  return Object.entries(after).map(([name, ms]) => ({
    name: `processor time of ${name} for each`,
    value: (ms - (before[name] ?? 0)) / count,
    unit: 'ms',
  }))
}
