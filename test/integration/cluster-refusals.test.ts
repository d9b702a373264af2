import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { openQueues } from '../../lib/aws/sqs.ts'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import { annotations } from '../../lib/crd/group.ts'
import type { Deployment, KubernetesObject, Secret, Stored } from '../../lib/crd/objects.ts'
import type { Cause, InstanceKey } from '../../lib/messages.ts'
import { childVersion } from '../../lib/observed/child-version.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { quotasIn } from '../support/admin-objects.ts'
import { instanceCalled, rowsOf, untilConsistent } from '../support/consistency.ts'
import { type CountedQueues, startCountedQueues } from '../support/counted-queues.ts'
import { create, edit, messageOf, remove } from '../support/edits.ts'
import { fireLastTimer } from '../support/fire-last-timer.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import {
  eventually,
  phaseOf,
  referenceTo,
  startTestOperator,
  type TestOperator,
} from '../support/operator.ts'
import { type RecordedLog, recordedLog } from '../support/recorded-log.ts'
import { testNamespace, testQueues } from '../support/shared-parts.ts'

let operator: TestOperator
let counted: CountedQueues
let recorded: RecordedLog
/** The same operator in further namespaces that it watches. */
let crowded: TestOperator
let strict: TestOperator
let doomed: TestOperator
let limited: TestOperator
/** When the pod of an instance was refused first, in epoch milliseconds. */
let refusedAt: number

beforeAll(async () => {
  counted = await startCountedQueues(await testQueues())
  recorded = recordedLog()
  const namespaces = await Promise.all(
    ['crowded', 'strict', 'doomed', 'limited'].map(name => testNamespace(name)),
  )
  const moreNamespaces = namespaces.map(({ name }) => name)
  operator = await startTestOperator({ moreNamespaces, log: recorded.log, queues: counted.queues })
  const [first = '', second = '', third = '', fourth = ''] = moreNamespaces
  crowded = { ...operator, namespace: first }
  strict = { ...operator, namespace: second }
  doomed = { ...operator, namespace: third }
  limited = { ...operator, namespace: fourth }
  const all = [operator, crowded, strict, doomed, limited]
  for (const seen of all) await make(seen, templateOf(seen.namespace, 'web'))
  await limit(limited)
  await make(limited, instanceOf(limited.namespace, 'big', 'web', 3))
  await reasoned(limited, 'big', 'AdmissionRefused')
  refusedAt = Date.now()
})
afterAll(async () => {
  await operator?.stop()
  await counted?.stop()
})

async function make(seen: TestOperator, object: KubernetesObject): Promise<void> {
  const response = await create(seen, object)
  expect([response.status, messageOf(response)]).toEqual([201, ''])
}

async function label(seen: TestOperator, labels: Record<string, string | null>): Promise<void> {
  const contentType = 'application/merge-patch+json'
  const path = `/api/v1/namespaces/${seen.namespace}`
  const body = { metadata: { labels } }
  const { status } = await operator.client.request('PATCH', path, { body, contentType }, operator.signal)
  expect(status).toBe(200)
}

/** Creates a quota and waits until it is counted. Before that, the cluster refuses everything as not counted yet. */
async function makeQuota(seen: TestOperator, hard: Record<string, string>): Promise<void> {
  const path = quotasIn(seen.namespace)
  const body = { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'full' }, spec: { hard } }
  expect((await operator.client.request('POST', path, { body }, seen.signal)).status).toBe(201)
  const isCounted = async () => {
    const response = await operator.client.request('GET', `${path}/full`, {}, seen.signal)
    const quota = response.body as { status?: { hard?: object } }
    return JSON.stringify(quota.status?.hard) === JSON.stringify(hard)
  }
  await waitUntil('the quota to be counted', 20_000, isCounted, seen.signal)
}

const dropQuota = (seen: TestOperator) =>
  operator.client.request('DELETE', `${quotasIn(seen.namespace)}/full`, {}, operator.signal)

const limitsIn = ({ namespace }: TestOperator) => `/api/v1/namespaces/${namespace}/limitranges`

/** Has the cluster refuse containers of more than 50 millicores. */
async function limit(seen: TestOperator): Promise<void> {
  const spec = { limits: [{ type: 'Container', max: { cpu: '50m' } }] }
  const body = { apiVersion: 'v1', kind: 'LimitRange', metadata: { name: 'small' }, spec }
  expect((await operator.client.request('POST', limitsIn(seen), { body }, seen.signal)).status).toBe(201)
}

const unlimit = (seen: TestOperator) =>
  operator.client.request('DELETE', `${limitsIn(seen)}/small`, {}, seen.signal)

const stalled = ({ status }: ChallengeInstance) =>
  status?.conditions?.find(each => each.type === 'Stalled')?.status

describe('an instance that a quota leaves no room for', () => {
  it('is QuotaExceeded without room for its pod, and Ready once there is room', async () => {
    await makeQuota(crowded, { 'limits.cpu': '50m' })
    await make(crowded, instanceOf(crowded.namespace, 'wide', 'web', 1))
    const { status } = await reasoned(crowded, 'wide', 'QuotaExceeded')
    expect(status?.message).toMatch(/quota/)
    await dropQuota(crowded)
    await untilConsistent(crowded, 'wide', 'Ready')
  })

  it('is QuotaExceeded and not stalled without room for its Deployment, and is rechecked until there is room', async () => {
    await makeQuota(crowded, { 'count/deployments.apps': '1' })
    await make(crowded, instanceOf(crowded.namespace, 'second', 'web', 2))
    const refused = await reasoned(crowded, 'second', 'QuotaExceeded')
    expect(refused.status?.message).toContain('Deployment "second"')
    expect(refused.status?.message).toContain('count/deployments.apps')
    expect(stalled(refused)).toBe('False')
    await dropQuota(crowded)
    await fireLastTimer(counted, 'second', operator.signal)
    await untilConsistent(crowded, 'second', 'Ready')
  })
})

describe('pods that the cluster refuses', () => {
  it('come back again and again, which is no drift and reported as before', async () => {
    await limit(crowded)
    await make(crowded, instanceOf(crowded.namespace, 'bigger', 'web', 3))
    const before = await reasoned(crowded, 'bigger', 'AdmissionRefused')
    let tried: string | undefined
    for (let tries = 0; tries < 2; tries++) {
      await fireLastTimer(counted, 'bigger', operator.signal)
      const deployment = await eventually<Deployment>(crowded, 'Deployment', 'bigger', found => {
        const at = found?.metadata.annotations?.[annotations.triedAgain]
        return at !== undefined && at !== tried
      })
      tried = deployment?.metadata.annotations?.[annotations.triedAgain]
    }
    await sleep(2_000)
    const after = await instanceCalled(crowded, 'bigger')
    const { children: _, ...reported } = after?.status ?? {}
    expect(before.status).toMatchObject(reported)
    const left = await crowded.cluster.get<Deployment>(
      referenceTo(crowded, 'Deployment', 'bigger'),
      operator.signal,
    )
    expect(left?.metadata.annotations?.[annotations.triedAgain]).toBe(tried)
    expect(after?.status?.children?.map(each => each.version)).toContain(
      childVersion(left as Stored<Deployment>),
    )
    expect(recorded.passesOf('bigger').length).toBeLessThan(7)
    await unlimit(crowded)
    await remove(crowded, 'ChallengeInstance', 'bigger')
  })

  it('show the missing RuntimeClass by its name', async () => {
    await make(crowded, templateOf(crowded.namespace, 'boxed', { runtimeClassName: 'gvisor' }))
    await make(crowded, instanceOf(crowded.namespace, 'boxed', 'boxed', 3))
    const refused = await reasoned(crowded, 'boxed', 'AdmissionRefused')
    expect(refused.status?.message).toContain('RuntimeClass "gvisor" not found')
  })
})

describe('an instance that the cluster refuses', () => {
  it('reports a pod that Pod Security refuses, and is Ready once the namespace allows the pod', async () => {
    await label(strict, { 'pod-security.kubernetes.io/enforce': 'restricted' })
    await make(strict, instanceOf(strict.namespace, 'rooted', 'web', 1))
    const { status } = await reasoned(strict, 'rooted', 'PodSecurityRefused')
    expect(status?.message).toMatch(/security/i)
    await make(strict, templateOf(strict.namespace, 'fit', { podSecurity: 'restricted' }))
    await make(strict, instanceOf(strict.namespace, 'fit', 'fit', 2))
    await phaseOf(strict, 'fit', 'Ready')
    await label(strict, { 'pod-security.kubernetes.io/enforce': null })
    await untilConsistent(strict, 'rooted', 'Ready')
  })

  it('reports the message of a policy that refuses its Deployment, and is Ready without the policy', async () => {
    const lift = await forbid(operator.namespace, 'barred', 'no challenge called barred, please')
    await make(operator, instanceOf(operator.namespace, 'barred', 'web', 3))
    const refused = await reasoned(operator, 'barred', 'AdmissionRefused')
    expect(refused.status?.message).toContain('no challenge called barred, please')
    expect(stalled(refused)).toBe('False')
    await lift()
    await fireLastTimer(counted, 'barred', operator.signal)
    await untilConsistent(operator, 'barred', 'Ready')
  })

  it('is stalled and can be deleted if another owner has its name, and leaves that object alone', async () => {
    const labels = { app: 'theirs' }
    const containers = [{ name: 'db', image: 'registry.example.com/db:1' }]
    const spec = {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers } },
    }
    const theirs = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'theirs' },
      spec,
    } as Deployment
    await make(operator, theirs)
    await make(operator, instanceOf(operator.namespace, 'theirs', 'web', 3))
    const refused = await reasoned(operator, 'theirs', 'NameTaken')
    expect(refused.status?.message).toContain('Deployment "theirs"')
    expect(stalled(refused)).toBe('True')
    await remove(operator, 'ChallengeInstance', 'theirs')
    await eventually(operator, 'ChallengeInstance', 'theirs', object => object === undefined)
    const left = await operator.cluster.get<Deployment>(
      referenceTo(operator, 'Deployment', 'theirs'),
      operator.signal,
    )
    expect(left?.spec.template.spec.containers[0]?.name).toBe('db')
    expect(left?.metadata.labels).toBeUndefined()
  })

  it('is Ready after a recheck once its name is free', async () => {
    const spec = { selector: { app: 'shop' }, ports: [{ port: 80 }] }
    const theirs = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'shop' }, spec }
    await make(operator, theirs as KubernetesObject)
    await make(operator, instanceOf(operator.namespace, 'shop', 'web', 3))
    expect(stalled(await reasoned(operator, 'shop', 'NameTaken'))).toBe('True')
    await remove(operator, 'Service', 'shop')
    await fireLastTimer(counted, 'shop', operator.signal)
    await untilConsistent(operator, 'shop', 'Ready')
  })
})

test('a deletion names the foreign finalizer that blocks it, and ends when that is removed', async () => {
  await make(operator, instanceOf(operator.namespace, 'clung', 'web', 3))
  await untilConsistent(operator, 'clung', 'Ready')
  await edit(operator, 'Deployment', 'clung', { metadata: { finalizers: ['example.com/hold'] } })
  await untilConsistent(operator, 'clung', 'Ready')
  const { metadata } = (await instanceCalled(operator, 'clung')) as ChallengeInstance
  await remove(operator, 'ChallengeInstance', 'clung')
  await reasoned(operator, 'clung', 'Terminating')
  // The sweep sends this after a minute.
  await wake({ namespace: operator.namespace, name: 'clung', uid: metadata.uid ?? '' }, 'drift')
  const held = await reasoned(operator, 'clung', 'ForeignFinalizer')
  expect(held.status?.phase).toBe('Terminating')
  expect(held.status?.message).toContain('the finalizer "example.com/hold" holds it back')
  await edit(operator, 'Deployment', 'clung', { metadata: { finalizers: null } })
  await untilConsistent(operator, 'clung', 'gone')
})

async function wake(key: InstanceKey, cause: Cause): Promise<void> {
  const sending = openQueues(counted.queues)
  const change = {
    v: 1,
    ...key,
    cause,
    resourceVersion: '',
    attempt: 0,
    at: new Date().toISOString(),
  } as const
  await sending.changes.send([{ change, deduplicationId: randomUUID() }], operator.signal)
  sending.close()
}

test('an instance waits for the Secret of its flag, and becomes Ready once that exists', async () => {
  const secretRef = { name: 'later', key: 'flag' }
  await make(operator, templateOf(operator.namespace, 'pwn', { flagStrategy: { type: 'static', secretRef } }))
  await make(operator, instanceOf(operator.namespace, 'waits', 'pwn', 3))
  const waiting = await reasoned(operator, 'waits', 'FlagSecretMissing')
  expect(waiting.status?.message).toContain('Secret "later" has no key "flag"')
  expect(stalled(waiting)).toBe('False')
  const data = { flag: Buffer.from('flag{came-later}').toString('base64') }
  await make(operator, { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'later' }, data } as Secret)
  await fireLastTimer(counted, 'waits', operator.signal)
  await untilConsistent(operator, 'waits', 'Ready')
  expect(JSON.stringify([recorded.lines, counted.sent])).not.toContain('came-later')
})

describe('a pod that a LimitRange refuses', () => {
  /** The tries of the ReplicaSet controller double: they come so many seconds after the first ones. */
  const tries = [20, 41, 82, 164]

  /** Waits until the ReplicaSet controller has tried, and does not try again by itself for ten seconds. */
  async function untilReplicaSetWaits(): Promise<void> {
    const elapsed = (Date.now() - refusedAt) / 1_000
    const next = tries.find(each => each > elapsed) ?? Number.POSITIVE_INFINITY
    if (elapsed < 23 || next - elapsed < 10) await sleep((next + 3 - elapsed) * 1_000)
  }

  it('shows its words, and is tried again although the ReplicaSet still waits', async () => {
    const refused = await reasoned(limited, 'big', 'AdmissionRefused')
    const words = 'maximum cpu usage per Container is 50m, but limit is 100m'
    expect(refused.status?.message).toContain(words)
    const ready = refused.status?.conditions?.find(each => each.type === 'Ready')
    expect(ready?.message).toContain(words)
    await untilReplicaSetWaits()
    await unlimit(limited)
    await fireLastTimer(counted, 'big', operator.signal)
    await eventually<ChallengeInstance>(
      limited,
      'ChallengeInstance',
      'big',
      each => each?.status?.phase === 'Ready',
      8_000,
    )
    await untilConsistent(limited, 'big', 'Ready')
    const path = `/apis/apps/v1/namespaces/${limited.namespace}/replicasets?labelSelector=app%3Dbig`
    const sets = await operator.client.request('GET', path, {}, operator.signal)
    expect((sets.body as { items: object[] }).items).toHaveLength(1)
  })
})

test('a namespace with instances can be deleted, and their rows are closed', async () => {
  const names = ['lost-1', 'lost-2', 'lost-3']
  for (const [index, name] of names.entries())
    await make(doomed, instanceOf(doomed.namespace, name, 'web', index + 1))
  for (const name of names) await untilConsistent(doomed, name, 'Ready')
  // The deletion of a namespace takes the RoleBindings in it before the instances are gone.
  await operator.accounts.bind({ namespaces: '*', placesElsewhere: false }, operator.signal)
  const path = `/api/v1/namespaces/${doomed.namespace}`
  await operator.client.request('DELETE', path, {}, operator.signal)
  const isGone = async () => (await operator.client.request('GET', path, {}, operator.signal)).status === 404
  await waitUntil('the namespace to be gone', 40_000, isGone, operator.signal)
  const areClosed = async () => {
    const rows = await Promise.all(names.map(name => rowsOf(doomed, name)))
    return rows.every(([row]) => row?.deleted_at != null)
  }
  await waitUntil('the rows to be closed', 20_000, areClosed, operator.signal)
})

test('no instance needs more than 14 passes, and no message becomes a dead letter', async () => {
  expect(counted.sent.filter(each => each.queue === 'dead letters')).toEqual([])
  const names = new Set(recorded.lines.map(line => String(line.fields.name ?? '')))
  expect([...names].filter(name => recorded.passesOf(name).length > 14)).toEqual([])
})

async function reasoned(seen: TestOperator, name: string, reason: string): Promise<ChallengeInstance> {
  await eventually<ChallengeInstance>(
    seen,
    'ChallengeInstance',
    name,
    each => each?.status?.reason === reason,
  )
  return (await instanceCalled(seen, name)) as ChallengeInstance
}

/** Creates a policy that refuses Deployments of this name, and waits for it. @returns a function that removes it */
async function forbid(namespace: string, name: string, message: string): Promise<() => Promise<void>> {
  const { client, signal } = operator
  const collection = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies'
  const resource = {
    apiGroups: ['apps'],
    apiVersions: ['v1'],
    operations: ['CREATE', 'UPDATE'],
    resources: ['deployments'],
  }
  const policy = {
    metadata: { name: namespace },
    spec: {
      matchConstraints: { resourceRules: [resource] },
      matchConditions: [
        { name: 'ours', expression: `request.namespace == '${namespace}' && request.name == '${name}'` },
      ],
      validations: [{ expression: 'false', message }],
    },
  }
  const binding = {
    metadata: { name: namespace },
    spec: { policyName: namespace, validationActions: ['Deny'] },
  }
  await client.request('POST', collection, { body: policy }, signal)
  await client.request(
    'POST',
    `${collection.replace('policies', 'policybindings')}`,
    { body: binding },
    signal,
  )
  const isRefused = async () => (await tried(namespace, name)) === 422
  await waitUntil('the policy to be in force', 20_000, isRefused, signal)
  return async () => {
    await client.request(
      'DELETE',
      `${collection.replace('policies', 'policybindings')}/${namespace}`,
      {},
      signal,
    )
    await client.request('DELETE', `${collection}/${namespace}`, {}, signal)
    await waitUntil('the policy to be lifted', 20_000, async () => !(await isRefused()), signal)
  }
}

async function tried(namespace: string, name: string): Promise<number> {
  const labels = { app: 'tried' }
  const containers = [{ name: 'a', image: 'a' }]
  const spec = { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers } } }
  const body = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name }, spec }
  const path = `/apis/apps/v1/namespaces/${namespace}/deployments`
  const { status } = await operator.client.request(
    'POST',
    path,
    { body, query: { dryRun: 'All' } },
    operator.signal,
  )
  return status
}
