import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import { annotations, defaultDenyName, labels } from '../../lib/crd/group.ts'
import type { Deployment, KubernetesObject, NetworkPolicy, Secret } from '../../lib/crd/objects.ts'
import { copiedSecretName, ownNamespace } from '../../lib/desired/identity.ts'
import { namespaceDefaultsName } from '../../lib/desired/objects/limit-range.ts'
import { objectPath } from '../../lib/kubernetes/client/paths.ts'
import { openCluster } from '../../lib/kubernetes/open-cluster.ts'
import { createCollectNamespace } from '../../lib/reconcile/namespace/collect-namespace.ts'
import { createRepairNamespace } from '../../lib/reconcile/namespace/repair-namespace.ts'
import { silentLog } from '../../lib/telemetry/log.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { type CountedQueues, startCountedQueues } from '../support/counted-queues.ts'
import { create, edit, remove } from '../support/edits.ts'
import { fireLastTimer } from '../support/fire-last-timer.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { eventually, phaseOf, startTestOperator, type TestOperator } from '../support/operator.ts'
import { createIn, namespaceCalled, placedObject, untilNamespaceGone } from '../support/placed.ts'
import { testNamespace, testQueues } from '../support/shared-parts.ts'
import { sweepOnce } from '../support/sweeping.ts'

let operator: TestOperator
let counted: CountedQueues
let queues: CountedQueues['queues']
let other: Awaited<ReturnType<typeof testNamespace>>
const prefix = `p${Date.now().toString(36)}-`
const eventNamespace = (event: number) => `${prefix}event-${event}`

beforeAll(async () => {
  ;[counted, other] = await Promise.all([testQueues().then(startCountedQueues), testNamespace()])
  queues = counted.queues
  operator = await startTestOperator({
    queues,
    moreNamespaces: [other.name],
    challenges: ['own', 'shared-by-event'],
    env: {
      OPERATOR_PLACEMENTS: 'Shared,Event,Instance',
      OPERATOR_NAMESPACE_PREFIX: prefix,
      OPERATOR_EVENT_QUOTA: 'pods=20',
      OPERATOR_RESYNC_MINUTES: '1440',
    },
  })
  await create(operator, templateOf(operator.namespace, 'own', { placement: 'Instance' }))
  await create(operator, templateOf(operator.namespace, 'event', { placement: 'Event' }))
})
afterAll(async () => {
  await operator?.stop()
  await counted?.stop()
})

const resync = () => sweepOnce(operator, queues)
const made = (name: string, template: string, eventId = 1) =>
  create(operator, instanceOf(operator.namespace, name, template, 7, { owner: { teamId: 7, eventId } }))
const gone = (name: string) =>
  eventually<ChallengeInstance>(operator, 'ChallengeInstance', name, each => each === undefined, 60_000)
const standing = (namespace: string, kind: readonly [string, string], name = namespaceDefaultsName) =>
  placedObject<KubernetesObject>(operator, kind, { namespace, name })
const ownOf = ({ metadata }: ChallengeInstance) =>
  ownNamespace({ name: metadata.name ?? '', uid: metadata.uid ?? '' }, prefix)

const config = (word: string) => ({
  '.dockerconfigjson': Buffer.from(JSON.stringify({ auths: { [word]: {} } })).toString('base64'),
})
const pullSecret = (name: string): Secret => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name },
  type: 'kubernetes.io/dockerconfigjson',
  data: config('first'),
})
const copyOf = (name: string) => copiedSecretName({ namespace: operator.namespace, name }, eventNamespace(1))

describe('an instance with the placement Instance', () => {
  it('runs in a namespace of its own, with everything that belongs there, and both end together', async () => {
    await made('alone', 'own')
    const instance = await phaseOf(operator, 'alone', 'Ready')
    const namespace = ownOf(instance)
    const { status } = instance
    expect(status?.namespace).toBe(namespace)
    expect(status?.url).toBe(`http://alone.${namespace}.svc.cluster.local:8080`)
    expect(new Set(status?.children?.map(child => child.namespace))).toEqual(new Set([namespace]))

    expect((await namespaceCalled(operator, namespace))?.metadata.labels).toMatchObject({
      'pod-security.kubernetes.io/enforce': 'baseline',
      'pod-security.kubernetes.io/warn': 'restricted',
      'pod-security.kubernetes.io/audit': 'restricted',
    })
    const policy = ['networking.k8s.io/v1', 'NetworkPolicy'] as const
    expect(await standing(namespace, policy, defaultDenyName)).toBeDefined()
    expect(await standing(namespace, ['v1', 'LimitRange'])).toBeDefined()
    expect(await standing(namespace, ['v1', 'ResourceQuota'])).toBeUndefined()
    const workload = await standing(namespace, ['apps/v1', 'Deployment'], 'alone')
    expect(workload?.metadata.ownerReferences).toBeUndefined()

    await remove(operator, 'ChallengeInstance', 'alone')
    await gone('alone')
    expect(await namespaceCalled(operator, namespace)).toBeUndefined()
  })

  it('leaves its namespace while something in it is not ours, and the sweep removes it afterwards', async () => {
    await made('keeper', 'own')
    const namespace = ownOf(await phaseOf(operator, 'keeper', 'Ready'))
    await createIn(operator, namespace, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'notes' } })
    await remove(operator, 'ChallengeInstance', 'keeper')
    await gone('keeper')
    const kept = await namespaceCalled(operator, namespace)
    expect(kept?.metadata.deletionTimestamp).toBeUndefined()
    expect(kept?.metadata.annotations?.[annotations.kept]).toBe('ConfigMap "notes"')

    await operator.cluster.delete(
      { apiVersion: 'v1', kind: 'ConfigMap', namespace, name: 'notes' },
      {},
      operator.signal,
    )
    await resync()
    await untilNamespaceGone(operator, namespace)
  })

  it('starts again in a new namespace after somebody deleted its own one', async () => {
    await made('moved', 'own')
    const namespace = ownOf(await phaseOf(operator, 'moved', 'Ready'))
    const before = await namespaceCalled(operator, namespace)
    await operator.cluster.delete(
      { apiVersion: 'v1', kind: 'Namespace', name: namespace },
      {},
      operator.signal,
    )
    const isNew = async () => {
      const uid = (await namespaceCalled(operator, namespace))?.metadata.uid
      return uid !== undefined && uid !== before?.metadata.uid
    }
    await waitUntil('the new namespace', 60_000, isNew, operator.signal)
    await phaseOf(operator, 'moved', 'Ready')
    expect(
      await standing(namespace, ['networking.k8s.io/v1', 'NetworkPolicy'], defaultDenyName),
    ).toBeDefined()
  })

  it('says what holds its namespace in deletion, running or ending, and both go on when that is gone', async () => {
    const { cluster, client, signal } = operator
    await made('stuck', 'own')
    const instance = await phaseOf(operator, 'stuck', 'Ready')
    const namespace = ownOf(instance)
    const held = { apiVersion: 'v1', kind: 'ConfigMap', namespace, name: 'held' } as const
    const finalizers = ['example.com/hold']
    await createIn(operator, namespace, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'held', finalizers },
    })
    await cluster.delete({ apiVersion: 'v1', kind: 'Namespace', name: namespace }, {}, signal)
    const saysWhat = (phase: string) => (each: ChallengeInstance | undefined) =>
      each?.status?.phase === phase &&
      each.status.reason === 'NamespaceStuck' &&
      each.status.message?.includes('example.com/hold') === true
    const kind = 'ChallengeInstance'
    const waiting = await eventually<ChallengeInstance>(operator, kind, 'stuck', saysWhat('Pending'), 60_000)
    expect(waiting?.status?.message).toContain(`Namespace "${namespace}" is being deleted`)
    await remove(operator, kind, 'stuck')
    await eventually<ChallengeInstance>(operator, kind, 'stuck', saysWhat('Terminating'), 60_000)
    expect(await placedObject(operator, ['v1', 'ConfigMap'], held)).toBeDefined()
    const path = objectPath(held)
    const contentType = 'application/merge-patch+json'
    await client.request('PATCH', path, { body: { metadata: { finalizers: null } }, contentType }, signal)
    await gone('stuck')
    expect(await namespaceCalled(operator, namespace)).toBeUndefined()
  })

  it('does not touch a namespace that has the name of its own', async () => {
    const { signal } = operator
    await made('collides', 'not-there-yet')
    const instance = await phaseOf(operator, 'collides', 'Pending', 'TemplateMissing')
    const name = ownOf(instance)
    await create(operator, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
    await create(operator, templateOf(operator.namespace, 'not-there-yet', { placement: 'Instance' }))
    const { status } = await phaseOf(operator, 'collides', 'Pending', 'NameTaken')
    expect(status?.message).toContain(`Namespace "${name}" exists already`)
    await remove(operator, 'ChallengeInstance', 'collides')
    await gone('collides')
    const { metadata } = (await namespaceCalled(operator, name)) ?? {}
    expect([metadata?.labels?.[labels.managedBy], metadata?.deletionTimestamp]).toEqual([
      undefined,
      undefined,
    ])
    await operator.cluster.delete({ apiVersion: 'v1', kind: 'Namespace', name }, {}, signal)
  })

  it('does not touch a namespace of its name that the operator did not make', async () => {
    await create(operator, {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: eventNamespace(9) },
    })
    await made('refused', 'event', 9)
    const { status } = await phaseOf(operator, 'refused', 'Pending', 'NameTaken')
    expect(status?.message).toContain(eventNamespace(9))
    expect((await namespaceCalled(operator, eventNamespace(9)))?.metadata.labels).not.toHaveProperty([
      labels.managedBy,
    ])
    await operator.cluster.delete(
      { apiVersion: 'v1', kind: 'Namespace', name: eventNamespace(9) },
      {},
      operator.signal,
    )
  })
})

describe('instances with the placement Event', () => {
  it('share the namespace of their event, which has the quota', async () => {
    for (const name of ['one', 'two']) await made(name, 'event')
    for (const name of ['one', 'two']) {
      const { status } = await phaseOf(operator, name, 'Ready')
      expect(status?.namespace).toBe(eventNamespace(1))
    }
    const quota = await standing(eventNamespace(1), ['v1', 'ResourceQuota'])
    expect(quota).toMatchObject({ spec: { hard: { pods: '20' } } })
  })

  it('lose the quota when OPERATOR_EVENT_QUOTA is unset, and get a changed one by a resync', async () => {
    const { cluster, config, signal } = operator
    const name = eventNamespace(1)
    const annotation = async () =>
      (await namespaceCalled(operator, name))?.metadata.annotations?.[annotations.eventQuota]
    const repairWith = async (eventQuota: Record<string, string> | undefined) => {
      const changed = { placement: { ...config.placement, eventQuota } }
      const repair = createRepairNamespace({ cluster, config: changed, log: silentLog })
      await repair({ name, uid: (await namespaceCalled(operator, name))?.metadata.uid ?? '' }, signal)
    }
    expect(await annotation()).toBe('pods=20')
    const foreign = { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'ours' } }
    await createIn(operator, name, { ...foreign, spec: { hard: { pods: '100' } } } as KubernetesObject)

    await repairWith(undefined)
    expect(await standing(name, ['v1', 'ResourceQuota'])).toBeUndefined()
    expect(await annotation()).toBeUndefined()
    expect(await standing(name, ['v1', 'ResourceQuota'], 'ours')).toBeDefined()
    await cluster.delete({ ...foreign, namespace: name, name: 'ours' }, {}, signal)

    await resync()
    await waitUntil('the quota again', 30_000, async () => (await annotation()) === 'pods=20', signal)
    await repairWith({ pods: '30' })
    expect(await standing(name, ['v1', 'ResourceQuota'])).toMatchObject({ spec: { hard: { pods: '30' } } })
    await resync()
    await waitUntil('the changed quota', 30_000, async () => (await annotation()) === 'pods=20', signal)
    expect(await standing(name, ['v1', 'ResourceQuota'])).toMatchObject({ spec: { hard: { pods: '20' } } })
  })

  it('share a policy there, which is put back when somebody opens or deletes it', async () => {
    const kind = ['networking.k8s.io/v1', 'NetworkPolicy'] as const
    const namespace = eventNamespace(1)
    const pods = await Promise.all(
      ['one', 'two'].map(name => standing(namespace, ['apps/v1', 'Deployment'], name)),
    )
    const [name = '', ...others] = new Set(pods.map(each => each?.metadata.labels?.[labels.policy]))
    expect(others).toEqual([])
    const key = { namespace, name }
    const read = () => placedObject<NetworkPolicy>(operator, kind, key)
    const before = await read()
    const isBack = async () => JSON.stringify((await read())?.spec) === JSON.stringify(before?.spec)
    const reference = { apiVersion: kind[0], kind: kind[1], ...key }
    const opened = await operator.client.request(
      'PATCH',
      objectPath(reference),
      { body: { spec: { egress: [{}] } }, contentType: 'application/merge-patch+json' },
      operator.signal,
    )
    expect(opened.status).toBe(200)
    await waitUntil('the policy as it was', 30_000, isBack, operator.signal)
    await operator.cluster.delete(reference, {}, operator.signal)
    await waitUntil('the policy again', 30_000, isBack, operator.signal)
  })

  it('stall with NameTaken if an instance of the same name from another namespace runs there', async () => {
    await createIn(operator, other.name, templateOf(other.name, 'event', { placement: 'Event' }))
    await createIn(operator, other.name, instanceOf(other.name, 'one', 'event'))
    const kind = ['infra.ctf.example.com/v1alpha1', 'ChallengeInstance'] as const
    const key = { namespace: other.name, name: 'one' }
    const stalls = async () =>
      (await placedObject<ChallengeInstance>(operator, kind, key))?.status?.reason === 'NameTaken'
    await waitUntil('NameTaken', 30_000, stalls, operator.signal)
    await operator.cluster.delete({ apiVersion: kind[0], kind: kind[1], ...key }, {}, operator.signal)
    const isGone = async () => (await placedObject(operator, kind, key)) === undefined
    await waitUntil('the end of the second one', 30_000, isGone, operator.signal)
    await phaseOf(operator, 'one', 'Ready')
    expect(await standing(eventNamespace(1), ['apps/v1', 'Deployment'], 'one')).toBeDefined()
  })

  it('stay where they are when the placement of their template changes', async () => {
    await edit(operator, 'ChallengeTemplate', 'event', { spec: { placement: 'Instance' } })
    const considered = (each: ChallengeInstance | undefined) => each?.status?.template?.generation === 2
    const moved = await eventually<ChallengeInstance>(operator, 'ChallengeInstance', 'two', considered)
    expect(new Set(moved?.status?.children?.map(child => child.namespace))).toEqual(
      new Set([eventNamespace(1)]),
    )
    await edit(operator, 'ChallengeTemplate', 'event', { spec: { placement: 'Event' } })
    await phaseOf(operator, 'two', 'Ready')
  })

  it('have the pull secrets of their template beside them, also after these change', async () => {
    const { namespace } = operator
    await create(operator, pullSecret('registry'))
    await create(
      operator,
      templateOf(namespace, 'pulled', { placement: 'Event', imagePullSecrets: ['registry'] }),
    )
    await made('puller', 'pulled')
    await phaseOf(operator, 'puller', 'Ready')
    const name = copyOf('registry')
    const copied = () => standing(eventNamespace(1), ['v1', 'Secret'], name) as Promise<Secret | undefined>
    expect((await copied())?.data).toEqual(config('first'))
    const workload = await placedObject<Deployment>(operator, ['apps/v1', 'Deployment'], {
      namespace: eventNamespace(1),
      name: 'puller',
    })
    expect(workload?.spec.template.spec.imagePullSecrets).toEqual([{ name }])

    await edit(operator, 'Secret', 'registry', { data: config('second') })
    await resync()
    const isCurrent = async () => JSON.stringify((await copied())?.data) === JSON.stringify(config('second'))
    await waitUntil('the new content', 30_000, isCurrent, operator.signal)
    await remove(operator, 'ChallengeInstance', 'puller')
    await gone('puller')
  })

  it('start without a pull secret that is missing, say so, and have it as soon as they look again', async () => {
    const { namespace, signal } = operator
    const image = 'trouble.example/image-pull:1'
    const imagePullSecrets = ['late']
    await create(operator, templateOf(namespace, 'lacking', { placement: 'Event', image, imagePullSecrets }))
    await made('lacking', 'lacking')
    const lacks = (each: ChallengeInstance | undefined) => each?.status?.reason === 'PullSecretUnusable'
    const lacking = await eventually<ChallengeInstance>(operator, 'ChallengeInstance', 'lacking', lacks)
    expect(lacking?.status?.message).toContain('"late"')
    expect(await standing(eventNamespace(1), ['apps/v1', 'Deployment'], 'lacking')).toBeDefined()
    await create(operator, pullSecret('late'))
    await fireLastTimer(counted, 'lacking', signal)
    await phaseOf(operator, 'lacking', 'Failed', 'ImagePullFailed')
    expect(await standing(eventNamespace(1), ['v1', 'Secret'], copyOf('late'))).toBeDefined()
    await remove(operator, 'ChallengeInstance', 'lacking')
    await gone('lacking')
  })

  it('wait for a pull secret that has another type, and start as soon as they look again', async () => {
    const { cluster, namespace, signal } = operator
    await create(operator, { ...pullSecret('opaque'), type: 'Opaque' } as Secret)
    await create(
      operator,
      templateOf(namespace, 'waiting', { placement: 'Event', imagePullSecrets: ['opaque'] }),
    )
    await made('waiting', 'waiting')
    const { status } = await phaseOf(operator, 'waiting', 'Pending', 'PullSecretUnusable')
    expect(status?.message).toContain('"opaque"')
    expect(status?.conditions?.find(({ type }) => type === 'Stalled')?.status).toBe('False')
    expect(await standing(eventNamespace(1), ['apps/v1', 'Deployment'], 'waiting')).toBeUndefined()
    await cluster.delete({ apiVersion: 'v1', kind: 'Secret', namespace, name: 'opaque' }, {}, signal)
    await create(operator, pullSecret('opaque'))
    await fireLastTimer(counted, 'waiting', signal)
    await phaseOf(operator, 'waiting', 'Ready')
    await remove(operator, 'ChallengeInstance', 'waiting')
    await gone('waiting')
  })
})

describe('the namespace of an event', () => {
  const name = eventNamespace(2)
  const mark = async () =>
    (await namespaceCalled(operator, name))?.metadata.annotations?.[annotations.unusedSince]
  const untilMarked = (isMarked: boolean) =>
    waitUntil('the mark', 30_000, async () => ((await mark()) !== undefined) === isMarked, operator.signal)

  /** Collects with a clock that is ahead by a grace. */
  async function collectLater(meanwhile: () => Promise<void> = async () => {}): Promise<void> {
    const found = await namespaceCalled(operator, name)
    if (found === undefined) throw new Error('no namespace')
    const { config, signal } = operator
    const cluster = openCluster(operator.clientFor('reconcile'))
    const graceMs = config.placement.eventGraceMinutes * 60_000
    const slow = {
      ...cluster,
      // Everything that happens between the look into the namespace and its deletion.
      delete: (async (...call: Parameters<typeof cluster.delete>) => {
        await meanwhile()
        return cluster.delete(...call)
      }) as typeof cluster.delete,
    }
    const now = () => Date.now() + graceMs + 1_000
    const collect = createCollectNamespace({ cluster: slow, graceMs, now, log: silentLog })
    await collect(found.metadata, signal)
  }

  it('is marked when its last instance went, and an instance that comes takes the mark off', async () => {
    await made('late', 'event', 2)
    await phaseOf(operator, 'late', 'Ready')
    await remove(operator, 'ChallengeInstance', 'late')
    await gone('late')
    expect(await mark()).toBeUndefined()
    await resync()
    await untilMarked(true)
  })

  it('stays if an instance takes the mark off just before the deletion', async () => {
    const { cluster, signal } = operator
    const path = `/metadata/annotations/${annotations.unusedSince.replace('/', '~1')}`
    const reference = { apiVersion: 'v1', kind: 'Namespace', name }
    await collectLater(async () => {
      await cluster.patchJson(reference, [{ op: 'remove', path }], signal)
    })
    expect((await namespaceCalled(operator, name))?.metadata.deletionTimestamp).toBeUndefined()
  })

  it('is deleted after its grace, and an instance of that very moment starts when it is gone', async () => {
    await resync()
    await untilMarked(true)
    const before = await namespaceCalled(operator, name)
    await collectLater()
    expect((await namespaceCalled(operator, name))?.metadata.deletionTimestamp).toBeDefined()
    await made('next', 'event', 2)
    await phaseOf(operator, 'next', 'Pending', 'NamespaceStuck')
    const ready = (each: ChallengeInstance | undefined) => each?.status?.phase === 'Ready'
    await eventually<ChallengeInstance>(operator, 'ChallengeInstance', 'next', ready, 60_000)
    const after = await namespaceCalled(operator, name)
    expect(after?.metadata.uid).not.toBe(before?.metadata.uid)
    expect(await standing(name, ['networking.k8s.io/v1', 'NetworkPolicy'], defaultDenyName)).toBeDefined()
  })
})
