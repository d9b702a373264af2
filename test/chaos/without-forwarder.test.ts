import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ChallengeInstance, ChallengeInstanceSpec } from '../../lib/crd/challenge-instance.ts'
import type { Cause } from '../../lib/messages.ts'
import type { Pass } from '../../lib/reconcile/pass/outcome.ts'
import { createReconcile } from '../../lib/reconcile/reconcile.ts'
import { silentLog } from '../../lib/telemetry/log.ts'
import { childrenOf, instanceCalled, rowsOf } from '../support/consistency.ts'
import { edit } from '../support/edits.ts'
import { type FaultyOperator, startFaultyOperator } from '../support/faulty-operator.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { eventually, phaseOf, referenceTo } from '../support/operator.ts'

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

async function send(name: string, uid: string, cause: Cause): Promise<void> {
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
  } as const
  const left = await queues.changes.send([{ change, deduplicationId: `${uid}-${cause}` }], signal)
  expect(left).toEqual([])
}

const finalizers = (kind: string, name: string, value: string[] | null) =>
  edit(operator, kind, name, { metadata: { finalizers: value } })

test('the clean-up after a predecessor goes on while its successor is stalled', async () => {
  const name = 'successor'
  const old = await created(name)
  await send(name, old, 'changed')
  await phaseOf(operator, name, 'Provisioning')
  // The Deployment stays while it is deleted, and with it the other children.
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

test('an instance ends in its second if the clock of reconcile is behind that of the forwarder', async () => {
  const name = 'clock'
  const end = Date.now() + 4_000
  const uid = await created(name, { expiresAt: new Date(end).toISOString() })
  const behindMs = 1_200
  const { cluster, store, config, namespace, signal } = operator
  const now = () => Date.now() - behindMs
  const reconcile = createReconcile({ cluster, store, config, now, random: Math.random, log: silentLog })
  const pass: Pass = {
    namespace,
    name,
    uids: [uid],
    causes: new Set(['changed']),
    pod: undefined,
    attempt: 0,
    waits: 0,
    trace: undefined,
    at: new Date().toISOString(),
    resourceVersion: '',
  }
  await reconcile(pass, signal)
  await new Promise(resolve => setTimeout(resolve, end - Date.now()))
  await reconcile({ ...pass, causes: new Set(['expiry']) }, signal)
  expect(now()).toBeGreaterThanOrEqual(end)
  const ended = await instanceCalled(operator, name)
  expect(ended?.metadata.deletionTimestamp).toBeDefined()
  // The first pass removes the Deployment. The second one finds it gone.
  await send(name, uid, 'deleted')
  await eventually(operator, 'Deployment', name, each => each === undefined)
  await send(name, uid, 'child')
  await eventually(operator, 'ChallengeInstance', name, each => each === undefined)
  expect(await rowsOf(operator, name)).toMatchObject([{ reason: 'Expired' }])
})
