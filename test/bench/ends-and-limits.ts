import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { apiVersion } from '../../lib/crd/group.ts'
import { collectionPath } from '../../lib/kubernetes/client/paths.ts'
import { instanceOf } from '../support/objects.ts'
import { type BenchCluster, openBenchCluster } from './bench-cluster.ts'
import { namesOf } from './burst.ts'
import { countCalls } from './call-counts.ts'
import type { Child } from './child.ts'
import { finalized } from './creator.ts'
import { callsFigure, type Result, tableOf } from './figures.ts'
import { type InstanceSight, type SeenInstance, watchInstances } from './instance-sight.ts'
import { quantile } from './latency.ts'
import { measureLockdown } from './lockdown.ts'
import { measureBareMarks, measureManyEnds } from './many-ends.ts'
import { startDatabase, startOperatorProcess } from './operator.ts'
import { operated, placements, sampleOf, templateName } from './sample.ts'

const parts = ['limits', 'waking', 'lockdown', 'ends'] as const
type Part = (typeof parts)[number]

/** Measures limits, waking, a lockdown, and the end of many instances within one second, one after the other. */
const { values } = parseArgs({
  options: {
    instances: { type: 'string', default: '1000' },
    burst: { type: 'string', default: '500' },
    limit: { type: 'string', default: '100' },
    alone: { type: 'string', default: '20' },
    minutes: { type: 'string', default: '20' },
    profile: { type: 'string' },
    placement: { type: 'string', default: 'Shared' },
    'without-controllers': { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [...parts] },
  },
})
const instances = Number(values.instances)
const burst = Number(values.burst)
const limit = Number(values.limit)
/** Instances that are created, and as many that are woken, one after the other. */
const alone = Number(values.alone)
/** Without them no pod starts, and no instance becomes Ready: the calls of the operator alone. */
const withControllers = !values['without-controllers']
/** Templates with ports of their own, and so with a policy of their own. */
const templates = Array.from({ length: 10 }, (_, index) => `${templateName}-${index}`)
/** Milliseconds after which everything that a change causes has ended. */
const pauseMs = 1_000

const runs = (part: Part) => values.only.includes(part)
const signal = AbortSignal.timeout(Number(values.minutes) * 60_000)
const began = Date.now()
const progress = (line: string) =>
  void process.stderr.write(`${String(Math.round((Date.now() - began) / 1_000)).padStart(4)} s  ${line}\n`)
const show = (result: Result) => void process.stdout.write(`${tableOf(result)}\n`)

const placement = placements.find(each => each === values.placement)
if (placement === undefined) throw new Error(`--placement is one of ${placements.join(', ')}`)
const sample = sampleOf(placement)
const instancesPath = collectionPath({ apiVersion, kind: 'ChallengeInstance' }, operated)
/** Each instance has a team of its own. */
const allTeams = burst + instances + alone
let teams = 0

const stack = new AsyncDisposableStack()
try {
  progress('starting a control plane')
  const cluster = await openBenchCluster({ full: withControllers, pinned: false, sample }, signal)
  stack.defer(() => cluster.stack.disposeAsync())
  await createTemplates(cluster)
  if (runs('ends')) {
    progress(`${instances} deletion marks by bare calls`)
    const options = { sample, count: instances, pids: cluster.plane.pids }
    show(await measureBareMarks(cluster, options, signal))
  }
  const looking = new AbortController()
  stack.defer(() => looking.abort())
  const sight = await watchInstances(
    cluster.client,
    operated,
    AbortSignal.any([cluster.signal, looking.signal]),
  )
  if (runs('limits')) await measureLimit(cluster, sight)

  const operators = await startOperators(cluster, {})
  const names = namesOf('free', instances)
  const [atOnce, others] = runs('limits') ? [names.slice(0, burst), names.slice(burst)] : [[], names]
  if (runs('limits')) {
    progress(`${burst} creates without a limit`)
    show(await measureBurst(cluster, sight, { names: atOnce, most: undefined }))
  }
  progress(`${instances} instances until they are Ready`)
  await Promise.all(others.map(name => create(cluster, name)))
  await Promise.all(names.map(name => sight.until(name, withControllers ? isReady : isDecided)))
  await sleep(10 * pauseMs)
  if (runs('waking') && alone > 0) {
    progress(`${alone} creations and ${alone} wakes in turn`)
    show(await measureWaking(cluster, sight, names.slice(0, alone)))
  }
  if (runs('lockdown')) {
    progress('lockdown')
    show(await measureLockdown(cluster, instances, signal))
  }
  if (runs('ends')) {
    progress(`moving the ends of ${instances} instances into one second`)
    const pids = {
      ...cluster.plane.pids,
      operator: operators[0]?.pid,
      'the second reconcile function': operators[1]?.pid,
      'the queue': cluster.queues.pid,
    }
    show(
      await measureManyEnds(
        cluster,
        { sight, closeSight: () => looking.abort(), names, pids },
        progress,
        signal,
      ),
    )
  }
} finally {
  await stack.disposeAsync()
}

async function measureLimit(cluster: BenchCluster, sight: InstanceSight): Promise<void> {
  const limited = await startOperators(cluster, { OPERATOR_MAX_INSTANCES: String(limit) })
  progress(`${burst} creates with room for ${limit}`)
  show(await measureBurst(cluster, sight, { names: namesOf('limited', burst), most: limit }))
  await removeAll(cluster, sight)
  for (const each of limited) await each.stop()
}

async function createTemplates({ bare }: BenchCluster): Promise<void> {
  const path = collectionPath({ apiVersion, kind: 'ChallengeTemplate' }, operated)
  const { spec, ...rest } = sample.template(operated)
  for (const [index, name] of templates.entries()) {
    const ports = [{ name: 'http', port: 8_000 + index, appProtocol: 'http' as const }]
    const template = { ...rest, metadata: { namespace: operated, name }, spec: { ...spec, ports } }
    await bare.call('POST', path, JSON.stringify(template), signal)
  }
}

/** Starts the operator, and a second reconcile function in a process of its own, with a new database. */
async function startOperators(cluster: BenchCluster, env: Record<string, string>): Promise<Child[]> {
  const databaseUrl = await startDatabase(cluster, { teams: allTeams, challenges: templates }, signal)
  // A warning of each end is no part of what is measured.
  const environment = { ...sample.environment, OPERATOR_WARN_MINUTES: '0', ...env }
  const options = { databaseUrl, environment, profile: values.profile }
  const both = [
    await startOperatorProcess(cluster, options),
    await startOperatorProcess(cluster, { ...options, functions: ['reconcile'] }),
  ]
  // The forwarder waits for the lease of the one before.
  await sleep(10 * pauseMs)
  return both
}

/** Creates an instance of the next template and the next team. */
async function create({ bare }: BenchCluster, name: string): Promise<void> {
  teams += 1
  const template = templates[teams % templates.length] ?? templateName
  const body = finalized(instanceOf(operated, name, template, teams))
  await bare.call('POST', instancesPath, JSON.stringify(body), signal)
}

async function patch({ client }: BenchCluster, path: string, body: object): Promise<void> {
  const request = { body, contentType: 'application/merge-patch+json' }
  const { status } = await client.request('PATCH', path, request, signal)
  if (status >= 300) throw new Error(`PATCH ${path}: ${status}`)
}

async function removeAll({ bare }: BenchCluster, sight: InstanceSight): Promise<void> {
  await bare.call('DELETE', instancesPath, undefined, signal)
  await Promise.all(sight.names().map(name => sight.until(name, seen => seen === undefined)))
}

function isReady(seen: SeenInstance): boolean {
  return seen?.status?.phase === 'Ready'
}

/** Whether the operator has either started the instance or said that it waits for room. */
function isDecided(seen: SeenInstance): boolean {
  return seen?.status?.reason === 'Queued' || (seen?.status?.children ?? []).length > 0
}

async function measureBurst(
  cluster: BenchCluster,
  sight: InstanceSight,
  { names, most }: { names: readonly string[]; most: number | undefined },
): Promise<Result> {
  const from = await cluster.audit.mark(signal)
  sight.mostRunning()
  const started = performance.now()
  const decided = await Promise.all(
    names.map(async name => {
      await create(cluster, name)
      return sight.until(name, isDecided)
    }),
  )
  const seconds = (Math.max(...decided) - started) / 1_000
  const to = await cluster.audit.mark(signal)
  const { total, byKind } = countCalls(await cluster.audit.calls(from, to), names.length)
  const atOnce = { name: 'Deployments with a pod at once, at most', value: sight.mostRunning(), unit: '' }
  return {
    scenario: `${names.length} creates, two reconcile functions, ${most === undefined ? 'no limit' : `room for ${most}`}`,
    figures: [
      { name: 'started or told to wait', value: names.length / seconds, unit: 'a second' },
      most === undefined ? atOnce : { ...atOnce, aim: { bound: 'at most', value: most } },
      callsFigure(total),
    ],
    calls: byKind,
  }
}

async function measureWaking(
  cluster: BenchCluster,
  sight: InstanceSight,
  sleepers: readonly string[],
): Promise<Result> {
  const took: Record<'created' | 'woken', number[]> = { created: [], woken: [] }
  for (const [index, sleeper] of sleepers.entries()) {
    const path = `${instancesPath}/${sleeper}`
    await patch(cluster, path, { spec: { suspend: true } })
    await sight.until(sleeper, seen => seen?.status?.phase === 'Idle')
    await sleep(2 * pauseMs)
    const wokenAt = performance.now()
    await patch(cluster, path, { spec: { suspend: false } })
    took.woken.push((await sight.until(sleeper, isReady)) - wokenAt)
    await sleep(pauseMs)
    const name = `alone-${index}`
    const createdAt = performance.now()
    await create(cluster, name)
    took.created.push((await sight.until(name, isReady)) - createdAt)
    await sleep(pauseMs)
  }
  const p50 = (times: readonly number[]) => ({ value: quantile(times, 0.5), unit: 'ms' })
  return {
    scenario: `${sleepers.length} hibernated instances woken, and as many created, in turn`,
    figures: [
      { name: 'wake to Ready, p50', ...p50(took.woken) },
      { name: 'create to Ready, p50', ...p50(took.created) },
    ],
  }
}
