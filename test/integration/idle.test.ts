import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import { annotations, safeToEvict } from '../../lib/crd/group.ts'
import type { Deployment } from '../../lib/crd/objects.ts'
import { openPodMetrics } from '../../lib/kubernetes/pod-metrics.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { outboxOf, platformRowsOf, rowsOf } from '../support/consistency.ts'
import { edit, remove } from '../support/edits.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { eventually, phaseOf, startTestOperator, type TestOperator } from '../support/operator.ts'

let operator: TestOperator

/** The shortest timeout has five minutes, so the clocks of reconcile and sweep go ahead of everything else. */
let aheadMs = 0
const operatorNow = () => Date.now() + aheadMs
const at = (time: number) => new Date(time).toISOString()

beforeAll(async () => {
  const time = { likely: operatorNow, reached: operatorNow }
  operator = await startTestOperator({ env: { OPERATOR_INTERVAL: '1' }, seams: { time } })
  const { cluster, namespace, signal } = operator
  await cluster.create(templateOf(namespace, 'web', { idleTimeoutMinutes: 5 }), signal)
})
afterAll(() => operator?.stop())

async function running(name: string, team: number, template = 'web'): Promise<string> {
  const { cluster, namespace, signal } = operator
  const made = await cluster.create(instanceOf(namespace, name, template, team), signal)
  if (made === 'exists') throw new Error(`${name} exists`)
  await phaseOf(operator, name, 'Ready')
  return made.metadata.uid
}

/** Writes the row of an instance as a proxy does. */
async function activeAt(uid: string, time: number): Promise<void> {
  await operator.database
    .updateTable('challenge_operator.instance')
    .set({ last_active_at: at(time) })
    .where('uid', '=', uid)
    .execute()
}

const annotate = (name: string, time: number) =>
  edit(operator, 'ChallengeInstance', name, {
    metadata: { annotations: { [annotations.lastActivity]: at(time) } },
  })

/** Waits until the annotation of the pod that an instance reports has this value. */
async function untilEvictable(name: string, value: string | undefined): Promise<void> {
  const { cluster, namespace, signal } = operator
  const { status } = await phaseOf(operator, name, 'Ready')
  const pod = { apiVersion: 'v1', kind: 'Pod', namespace, name: status?.podName ?? '' }
  const isSo = async () => (await cluster.get(pod, signal))?.metadata.annotations?.[safeToEvict] === value
  await waitUntil(`${name} to be evictable: ${value}`, 50_000, isSo, signal)
}

/** Keeps the pod of an instance from eviction, as a person does. */
async function keepByHand(name: string): Promise<void> {
  const { status } = await phaseOf(operator, name, 'Ready')
  const body = { metadata: { annotations: { [safeToEvict]: 'false' } } }
  expect((await edit(operator, 'Pod', status?.podName ?? '', body)).status).toBe(200)
}

/** Waits until nobody has used an instance for long enough: a sweep finds it, and on a busy machine sweeps come late. */
const idleOf = async (name: string) => {
  const isIdle = (each?: ChallengeInstance) => each?.status?.reason === 'Idle'
  const found = await eventually(operator, 'ChallengeInstance', name, isIdle, 60_000)
  return found as ChallengeInstance
}

const replicasOf = (name: string, replicas: number) =>
  eventually<Deployment>(operator, 'Deployment', name, each => each?.spec?.replicas === replicas)

const detectionOf = (instance: ChallengeInstance | undefined) =>
  instance?.status?.conditions?.find(each => each.type === 'IdleDetection')

test('a suspended instance has no pod and is Idle, and runs again when its spec does not say so', async () => {
  await running('suspended', 1)
  await edit(operator, 'ChallengeInstance', 'suspended', { spec: { suspend: true } })
  const idle = await phaseOf(operator, 'suspended', 'Idle', 'Suspended')
  expect(idle.status?.hibernation?.reason).toBe('Suspended')
  expect(await platformRowsOf(operator, 1, 'web')).toMatchObject([{ status: 'stopped' }])
  await replicasOf('suspended', 0)
  await edit(operator, 'ChallengeInstance', 'suspended', { spec: { suspend: null } })
  const woken = await phaseOf(operator, 'suspended', 'Ready')
  expect(woken.status).not.toHaveProperty('hibernation')
  expect(woken.status?.lastActivityAt).toBeDefined()
})

test('an instance that is suspended and woken within a second runs, and one that is woken and suspended does not', async () => {
  await running('twice', 2)
  const suspend = (value: boolean | null) =>
    edit(operator, 'ChallengeInstance', 'twice', { spec: { suspend: value } })
  const settledAs = async (generation: number, replicas: number) => {
    await eventually<ChallengeInstance>(
      operator,
      'ChallengeInstance',
      'twice',
      each => each?.status?.observedGeneration === generation,
    )
    await replicasOf('twice', replicas)
  }
  await suspend(true)
  await suspend(false)
  await settledAs(3, 1)
  await phaseOf(operator, 'twice', 'Ready')
  for (const value of [true, null, true]) await suspend(value)
  await settledAs(6, 0)
  await phaseOf(operator, 'twice', 'Idle', 'Suspended')
})

test('instances that nobody uses are hibernated, and woken by annotation or database; without a source nothing happens', async () => {
  const names = ['annotated', 'recorded', 'unwired'] as const
  const [annotated, recorded] = await Promise.all(names.map((name, index) => running(name, index + 1)))
  await annotate('annotated', Date.now())
  await activeAt(recorded ?? '', Date.now() + 360_000)
  aheadMs = 360_000

  const idle = await idleOf('annotated')
  expect(idle.status?.message).toBe('The challenge is hibernated because nobody used it.')
  await replicasOf('annotated', 0)
  const [row] = await rowsOf(operator, 'annotated')
  expect(row).toMatchObject({ phase: 'Idle', reason: 'Idle' })
  const says = (each?: ChallengeInstance) => detectionOf(each)?.reason === 'NoActivitySource'
  const unwired = await eventually(operator, 'ChallengeInstance', 'unwired', says)
  expect(unwired?.status?.phase).toBe('Ready')
  await phaseOf(operator, 'recorded', 'Ready')

  await annotate('annotated', operatorNow())
  const woken = await phaseOf(operator, 'annotated', 'Ready')
  expect(Date.parse(woken.status?.lastActivityAt ?? '')).toBeGreaterThan(Date.now() + 300_000)
  const events = await outboxOf(operator, annotated ?? '')
  expect(events.filter(each => /idle|woken/.test(each))).toEqual(['instance.idle', 'instance.woken'])

  await activeAt(recorded ?? '', operatorNow() - 360_000)
  await idleOf('recorded')
  await activeAt(recorded ?? '', operatorNow() + 1_000)
  await phaseOf(operator, 'recorded', 'Ready')
  await phaseOf(operator, 'unwired', 'Ready')
}, 150_000)

test('a wake that waits for room is not forgotten when something else keeps the instance from starting', async () => {
  const { cluster, namespace, signal } = operator
  const limited = templateOf(namespace, 'limited', { idleTimeoutMinutes: 5, maxInstances: 1 })
  await cluster.create(limited, signal)
  // A source that falls silent for three instances at once hibernates none of them.
  for (const name of ['annotated', 'recorded', 'unwired']) await remove(operator, 'ChallengeInstance', name)
  const limitedOne = async (name: string) => {
    const made = await cluster.create(instanceOf(namespace, name, 'limited'), signal)
    await phaseOf(operator, name, 'Ready')
    return made === 'exists' ? '' : made.metadata.uid
  }
  await activeAt(await limitedOne('sleeper'), operatorNow())
  aheadMs += 360_000
  await idleOf('sleeper')
  await limitedOne('holder')
  await edit(operator, 'ChallengeInstance', 'sleeper', { spec: { suspend: false } })
  await phaseOf(operator, 'sleeper', 'Idle', 'Queued')
  const pausedBy = (value: string | null) =>
    edit(operator, 'ChallengeInstance', 'sleeper', {
      metadata: { annotations: { [annotations.paused]: value } },
    })
  await pausedBy('true')
  await phaseOf(operator, 'sleeper', 'Idle', 'Paused')
  await remove(operator, 'ChallengeInstance', 'holder')
  await eventually(operator, 'ChallengeInstance', 'holder', each => each === undefined)
  await pausedBy(null)
  await phaseOf(operator, 'sleeper', 'Ready')
}, 150_000)

test('the pod of an instance that players use is kept from eviction, without a new pod, until nobody uses it', async () => {
  const { cluster, namespace, signal } = operator
  await cluster.create(templateOf(namespace, 'endless', { idleTimeoutMinutes: 0 }), signal)
  const uids = [await running('endless', 7, 'endless'), await running('guarded', 1, 'endless')]
  const { status } = await phaseOf(operator, 'endless', 'Ready')
  await untilEvictable('endless', undefined)
  await keepByHand('guarded')
  for (const uid of uids) await activeAt(uid, operatorNow())
  await untilEvictable('endless', 'false')
  for (const uid of uids) await activeAt(uid, operatorNow() - 2_700_000)
  aheadMs += 2_700_000
  await untilEvictable('endless', undefined)
  const after = await phaseOf(operator, 'endless', 'Ready')
  expect(after.status).toMatchObject({ podName: status?.podName, phase: 'Ready' })
  // A later sweep has its effect, so that of the one before has had its own.
  await activeAt(uids[0] ?? '', operatorNow())
  await untilEvictable('endless', 'false')
  await untilEvictable('guarded', 'false')
}, 150_000)

test('where nothing serves metrics.k8s.io, its reader says so', async () => {
  const metrics = openPodMetrics(operator.client)
  await expect(metrics.millicores(operator.namespace, operator.signal)).rejects.toMatchObject({
    reason: 'ClusterUnavailable',
  })
})
