import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ChallengeInstance, ChallengeInstanceSpec } from '../../lib/crd/challenge-instance.ts'
import type { Deployment, Pod } from '../../lib/crd/objects.ts'
import { withServerTime } from '../../lib/kubernetes/client/server-time.ts'
import { openEventRecorder } from '../../lib/kubernetes/event-recorder.ts'
import { openCluster } from '../../lib/kubernetes/open-cluster.ts'
import type { Cause } from '../../lib/messages.ts'
import type { Pass } from '../../lib/reconcile/pass/outcome.ts'
import { createReconcile } from '../../lib/reconcile/reconcile.ts'
import { silentLog } from '../../lib/telemetry/log.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { childrenOf, instanceCalled, rowsOf } from '../support/consistency.ts'
import { edit } from '../support/edits.ts'
import { type FaultyOperator, startFaultyOperator } from '../support/faulty-operator.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { eventually, phaseOf, referenceTo } from '../support/operator.ts'
import { createOwnPolicy } from '../support/policies.ts'

let operator: FaultyOperator

/** No forwarder runs, so an instance has the passes of the test and those that follow from them. */
beforeAll(async () => {
  operator = await startFaultyOperator({ forwarder: false })
  const envSchema = { properties: { LEVEL: { type: 'integer' } } }
  await operator.cluster.create(templateOf(operator.namespace, 'web', { envSchema }), operator.signal)
})
afterAll(() => operator?.stop())

async function created(name: string, spec: Partial<ChallengeInstanceSpec> = {}): Promise<string> {
  const { cluster, namespace, signal } = operator
  const made = await cluster.create(instanceOf(namespace, name, 'web', 7, spec), signal)
  if (made === 'exists') throw new Error(`${name} exists`)
  return made.metadata.uid
}

/** Sends a message, and waits for the end of its pass. */
async function passFor(name: string, uid: string, cause: Cause, pod?: string): Promise<void> {
  const before = operator.passes.length
  await send(name, uid, cause, pod)
  const isOver = async () => operator.passes.slice(before).some(pass => pass.name === name)
  await waitUntil(`a pass of ${name}`, 20_000, isOver, operator.signal)
}

async function send(name: string, uid: string, cause: Cause, pod?: string): Promise<void> {
  const { queues, namespace, signal } = operator
  const change = {
    v: 1,
    namespace,
    name,
    uid,
    cause,
    resourceVersion: '',
    attempt: 0,
    at: new Date().toISOString(),
    ...(pod === undefined ? {} : { pod }),
  } as const
  const left = await queues.changes.send([{ change, deduplicationId: randomUUID() }], signal)
  expect(left).toEqual([])
}

const finalizers = (kind: string, name: string, value: string[] | null) =>
  edit(operator, kind, name, { metadata: { finalizers: value } })

test('the clean-up after a predecessor goes on while its successor is stalled', async () => {
  const name = 'successor'
  const old = await created(name)
  await send(name, old, 'changed')
  await phaseOf(operator, name, 'Provisioning')
  await createOwnPolicy(operator, name)
  // The Deployment stays while it is deleted, and with it the policy.
  await finalizers('Deployment', name, ['example.com/hold'])
  await finalizers('ChallengeInstance', name, null)
  await operator.cluster.delete(referenceTo(operator, 'ChallengeInstance', name), {}, operator.signal)
  const uid = await created(name, { env: { LEVEL: 'high' } })
  await send(name, old, 'deleted')
  await send(name, uid, 'changed')
  await eventually<ChallengeInstance>(
    operator,
    'ChallengeInstance',
    name,
    each => each?.status?.reason === 'EnvInvalid',
  )
  expect((await childrenOf(operator, name)).map(({ kind }) => kind)).toContain('NetworkPolicy')
  await finalizers('Deployment', name, null)
  await eventually(operator, 'NetworkPolicy', name, each => each === undefined)
  expect(await childrenOf(operator, name)).toEqual([])
})

test('a late timer that names a pod which was replaced writes nothing', async () => {
  const name = 'flicker'
  const { cluster, namespace, signal } = operator
  const uid = await created(name)
  const instance = async () => (await instanceCalled(operator, name)) as ChallengeInstance
  /** The name of the pod that serves, other than this one. */
  const serving = async (than?: string): Promise<string> => {
    let found: Pod | undefined
    const isServed = async () => {
      const selection = { namespace, labelSelector: `app=${name}` }
      for await (const page of cluster.list<Pod>({ apiVersion: 'v1', kind: 'Pod' }, selection, signal))
        found = page.find(
          ({ metadata, status }) =>
            metadata.name !== than &&
            status?.conditions?.some(each => each.type === 'Ready' && each.status === 'True'),
        )
      const deployment = await cluster.get<Deployment>(referenceTo(operator, 'Deployment', name), signal)
      return found !== undefined && deployment?.status?.availableReplicas === 1
    }
    await waitUntil('a pod that serves', 20_000, isServed, signal)
    return found?.metadata.name ?? ''
  }
  await passFor(name, uid, 'changed')
  const first = await serving()
  await passFor(name, uid, 'pod', first)
  expect((await instance()).status).toMatchObject({ phase: 'Ready', podName: first })

  await cluster.delete({ apiVersion: 'v1', kind: 'Pod', namespace, name: first }, {}, signal)
  const second = await serving(first)
  await passFor(name, uid, 'pod', second)
  const told = await instance()
  expect(told.status).toMatchObject({ phase: 'Ready', podName: second })
  await passFor(name, uid, 'retry', first)
  expect((await instance()).metadata.resourceVersion).toBe(told.metadata.resourceVersion)
})

test.each([
  ['behind', -1_200],
  ['ahead of', 2_000],
])(
  'an instance ends in its second if the clock of reconcile is %s that of the API server',
  async (_, skewMs) => {
    const name = skewMs < 0 ? 'behind' : 'ahead'
    const end = Date.now() + 4_000
    const uid = await created(name, { expiresAt: new Date(end).toISOString() })
    const { store, config, namespace, signal } = operator
    const { client, time } = withServerTime(operator.clientFor('reconcile'), () => Date.now() + skewMs)
    const reconcile = createReconcile({
      ...{ cluster: openCluster(client), store, config, random: Math.random, log: silentLog },
      ...{ now: time.likely, reached: time.reached },
      recorder: openEventRecorder(client, 'reconcile', silentLog),
    })
    const pass: Pass = {
      namespace,
      name,
      uids: [uid],
      causes: new Set(['changed']),
      pod: undefined,
      workloadNamespaces: [],
      held: undefined,
      attempt: 0,
      waits: 0,
      trace: undefined,
      at: new Date().toISOString(),
      resourceVersion: '',
    }
    await reconcile(pass, signal)
    // The sender of the message is ahead as well.
    await new Promise(resolve => setTimeout(resolve, end - 700 - Date.now()))
    await reconcile({ ...pass, causes: new Set(['expiry']) }, signal)
    expect(Date.now()).toBeGreaterThanOrEqual(end)
    const ended = await instanceCalled(operator, name)
    expect(ended?.metadata.deletionTimestamp).toBeDefined()
    // The first pass removes the Deployment. The second one finds it gone.
    await send(name, uid, 'deleted')
    await eventually(operator, 'Deployment', name, each => each === undefined)
    await send(name, uid, 'child')
    await eventually(operator, 'ChallengeInstance', name, each => each === undefined)
    expect(await rowsOf(operator, name)).toMatchObject([{ reason: 'Expired' }])
  },
)
