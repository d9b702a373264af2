import { isDeepStrictEqual } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { clockName } from '../../lib/clock/state.ts'
import type { ChallengeTemplateSpec } from '../../lib/crd/challenge-template.ts'
import { annotations, finalizer, labels } from '../../lib/crd/group.ts'
import type { ConfigMap, Deployment, NetworkPolicy, Pod, Stored } from '../../lib/crd/objects.ts'
import { policyName } from '../../lib/desired/identity.ts'
import { sharedPolicy } from '../../lib/desired/objects/network-policy.ts'
import { policyRules, policyRulesText } from '../../lib/desired/policy-rules.ts'
import { trustMs } from '../../lib/desired/unused.ts'
import { openEventRecorder } from '../../lib/kubernetes/event-recorder.ts'
import { openCluster } from '../../lib/kubernetes/open-cluster.ts'
import { createIntactCheck, isSamePolicy } from '../../lib/observed/policy-digest.ts'
import { createCollectUnused } from '../../lib/reconcile/collect-unused.ts'
import { putPolicy } from '../../lib/reconcile/policy/put-policy.ts'
import { createSharedPolicyGuard } from '../../lib/reconcile/policy/shared-policy-guard.ts'
import { createReconcile } from '../../lib/reconcile/reconcile.ts'
import { silentLog } from '../../lib/telemetry/log.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { childrenOf, instanceCalled, untilConsistent } from '../support/consistency.ts'
import { countedCluster } from '../support/counted-cluster.ts'
import { create, edit, remove } from '../support/edits.ts'
import { type FaultyOperator, startFaultyOperator } from '../support/faulty-operator.ts'
import { createFormerInstance, resumeInstance } from '../support/former-instance.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { eventually, phaseOf, referenceTo } from '../support/operator.ts'
import { policyNameOf, policyOf } from '../support/policies.ts'
import { somePass } from '../unit/reconcile/passes.ts'

let operator: FaultyOperator
let forwarder: { stop(): Promise<void> }

/** This operator sweeps only when the test says so. */
beforeAll(async () => {
  const challenges = ['web', 'same', 'other', 'edited', 'former', 'counted']
  operator = await startFaultyOperator({ challenges, teams: [1, 2, 3, 4, 5, 6, 7], forwarder: false })
  forwarder = operator.startForwarder()
  await create(operator, templateOf(operator.namespace, 'web'))
  await create(operator, templateOf(operator.namespace, 'same', { image: 'registry.example.com/ctf/same:1' }))
  await create(operator, templateOf(operator.namespace, 'other', { networkProfile: 'open' }))
  await serving('one', 'web', 1)
  await serving('two', 'web', 2)
  await serving('three', 'same', 3)
  await serving('four', 'other', 4)
})
afterAll(() => operator?.stop())

async function serving(name: string, template: string, team: number): Promise<void> {
  await create(operator, instanceOf(operator.namespace, name, template, team))
  await untilConsistent(operator, name, 'Ready')
}

const openTemplate = { networkProfile: 'open' } as const
const rulesOf = (spec: Partial<ChallengeTemplateSpec> = {}) =>
  policyRules(templateOf(operator.namespace, 'x', spec).spec)
const nameOf = (spec: Partial<ChallengeTemplateSpec> = {}) => policyName(rulesOf(spec))
const policyCalled = (name: string) =>
  operator.cluster.get<NetworkPolicy>(referenceTo(operator, 'NetworkPolicy', name), operator.signal)
const untilIntact = (name: string) =>
  eventually<NetworkPolicy>(
    operator,
    'NetworkPolicy',
    name,
    found => found !== undefined && createIntactCheck(operator.config)(found as Stored<NetworkPolicy>),
  )

describe('a policy', () => {
  test('is shared by all pods with the same rules, and stands in no status', async () => {
    const names = await Promise.all(['one', 'two', 'three', 'four'].map(each => policyNameOf(operator, each)))
    expect(names).toEqual([nameOf(), nameOf(), nameOf(), nameOf({ networkProfile: 'open' })])
    const { podName, children = [] } = (await instanceCalled(operator, 'two'))?.status ?? {}
    const pod = await operator.cluster.get<Pod>(referenceTo(operator, 'Pod', podName ?? ''), operator.signal)
    expect(pod?.metadata.labels?.[labels.policy]).toBe(nameOf())
    expect(children.map(({ kind }) => kind).toSorted()).toEqual(['Deployment', 'Service'])
  })

  const open = { spec: { ingress: [{}], egress: [{}] } }
  const noted = (text: string | null) => ({ metadata: { annotations: { [annotations.policyRules]: text } } })
  const change = (name: string, body: object) => edit(operator, 'NetworkPolicy', name, body)
  // Repairs of one policy have growing pauses, so the cases take turns with two.
  it.each<[string, Partial<ChallengeTemplateSpec>, (name: string) => Promise<unknown>]>([
    ['opens it', {}, name => change(name, open)],
    ['gives it other rules', openTemplate, name => change(name, noted(policyRulesText(rulesOf())))],
    ['deletes it', {}, name => remove(operator, 'NetworkPolicy', name)],
    ['takes its rules and opens it', openTemplate, name => change(name, { ...noted(null), ...open })],
    [
      'takes the label that it is found by',
      {},
      name => change(name, { metadata: { labels: { [labels.managedBy]: null } } }),
    ],
  ])('is put back when somebody %s, and no instance has a pass for that', async (_, spec, act) => {
    const before = operator.passes.length
    const name = nameOf(spec)
    await act(name)
    await untilIntact(name)
    expect(operator.passes.slice(before)).toEqual([])
  })

  it('keeps what others write on its metadata', async () => {
    const name = nameOf(openTemplate)
    await change(name, { metadata: { annotations: { note: 'x' } }, ...open })
    expect((await untilIntact(name))?.metadata.annotations).toMatchObject({ note: 'x' })
  })
})

describe('an edit of the rules of a template', () => {
  it('makes a new pod, whose policy is there before it', async () => {
    await create(operator, templateOf(operator.namespace, 'edited'))
    await serving('edited', 'edited', 5)
    const ports = [{ name: 'http', port: 9090 }]
    await edit(operator, 'ChallengeTemplate', 'edited', { spec: { ports } })
    const wanted = nameOf({ ports })
    const moved = async () => (await policyNameOf(operator, 'edited')) === wanted
    await waitUntil('the pod with the other policy', 20_000, moved, operator.signal)
    const [policy, deployment] = await Promise.all([
      policyOf(operator, 'edited'),
      operator.cluster.get<Deployment>(referenceTo(operator, 'Deployment', 'edited'), operator.signal),
    ])
    expect(Number(policy?.metadata.resourceVersion)).toBeLessThan(
      Number(deployment?.metadata.resourceVersion),
    )
    await untilConsistent(operator, 'edited', 'Ready')
  })
})

describe('a policy that nothing needs any more', () => {
  const unneeded = { ports: [{ name: 'http', port: 9191 }] }
  const longAgo = { metadata: { annotations: { [annotations.unusedSince]: '2026-01-01T00:00:00Z' } } }
  const makeUnneeded = async (): Promise<string> => {
    const policy = sharedPolicy(operator.namespace, rulesOf(unneeded), operator.config)
    await createSharedPolicyGuard(operator.cluster, Date.now)(
      policy,
      { templateUid: 'gone', recheck: false },
      operator.signal,
    )
    return policy.metadata.name
  }

  it('is marked by a resync, and deleted by one when it has been unneeded for long enough', async () => {
    const name = await makeUnneeded()
    await operator.sweep({ resync: true }, operator.signal)
    const marked = await eventually<NetworkPolicy>(
      operator,
      'NetworkPolicy',
      name,
      found => found?.metadata.annotations?.[annotations.unusedSince] !== undefined,
    )
    expect(marked?.metadata.deletionTimestamp).toBeUndefined()
    expect(await operator.sweep({ resync: true }, operator.signal)).toMatchObject({ enqueued: 0 })
    await edit(operator, 'NetworkPolicy', name, longAgo)
    await operator.sweep({ resync: true }, operator.signal)
    await eventually(operator, 'NetworkPolicy', name, found => found === undefined)
    for (const each of ['one', 'four']) expect(await policyOf(operator, each)).toBeDefined()
  })

  it('stays when an instance begins to need it after the sweep has read it', async () => {
    const name = await makeUnneeded()
    await edit(operator, 'NetworkPolicy', name, longAgo)
    const read = await policyCalled(name)
    await create(operator, templateOf(operator.namespace, 'needs', unneeded))
    await create(operator, instanceOf(operator.namespace, 'needs', 'needs', 6))
    await phaseOf(operator, 'needs', 'Ready')
    const { uid = '', resourceVersion = '' } = read?.metadata ?? {}
    const collect = createCollectUnused({
      cluster: openCluster(operator.clientFor('reconcile')),
      now: Date.now,
      log: silentLog,
    })
    const unused = { kind: 'Policy', namespace: operator.namespace, name, uid, resourceVersion } as const
    await collect(unused, operator.signal)
    const found = await policyCalled(name)
    expect(found?.metadata.uid).toBe(uid)
    expect(found?.metadata.annotations?.[annotations.unusedSince]).toBeUndefined()
    await remove(operator, 'ChallengeInstance', 'needs')
    await untilConsistent(operator, 'needs', 'gone')
  })

  it('is made again for an instance that begins to need it after the deletion', async () => {
    const { namespace, signal, config } = operator
    let now = Date.now()
    const counted = countedCluster(openCluster(operator.clientFor('reconcile')))
    const ensure = createSharedPolicyGuard(counted, () => now)
    const policy = sharedPolicy(namespace, rulesOf(unneeded), config)
    const options = { templateUid: 'a', recheck: false }
    await ensure(policy, options, signal)
    await ensure(policy, options, signal)
    const first = counted.calls.length
    expect(first).toBeLessThanOrEqual(2)
    await remove(operator, 'NetworkPolicy', policy.metadata.name)
    await ensure(policy, options, signal)
    expect(counted.calls.length).toBe(first)
    now += trustMs
    await ensure(policy, options, signal)
    expect(await policyCalled(policy.metadata.name)).toBeDefined()
    await remove(operator, 'NetworkPolicy', policy.metadata.name)
    // A namespace that was deleted and made again has another template.
    await ensure(policy, { ...options, templateUid: 'b' }, signal)
    expect(await policyCalled(policy.metadata.name)).toBeDefined()
  })
})

test('an instance costs six calls until children and status are there, if its policies are known', async () => {
  const { config, store, namespace, signal } = operator
  const client = operator.clientFor('reconcile')
  // The operator of this test would make a pass of its own.
  await forwarder.stop()
  const counted = countedCluster(openCluster(client))
  const times = { now: Date.now, reached: Date.now }
  const recorder = openEventRecorder(client, 'reconcile', silentLog)
  const parts = { cluster: counted, store, recorder, config, ...times, random: () => 0, log: silentLog }
  const reconcile = createReconcile(parts)
  await create(operator, templateOf(namespace, 'counted', { flagStrategy: { type: 'hmac-per-instance' } }))
  const callsOf = async (name: string) => {
    const { metadata, ...rest } = instanceOf(namespace, name, 'counted', 7)
    await create(operator, { ...rest, metadata: { ...metadata, finalizers: [finalizer] } })
    const uid = (await instanceCalled(operator, name))?.metadata.uid ?? ''
    counted.calls.length = 0
    await reconcile(somePass({ namespace, name, uids: [uid] }), signal)
    return [...counted.calls]
  }
  await callsOf('counted-1')
  expect((await callsOf('counted-2')).toSorted()).toEqual([
    'create Deployment',
    'create Secret',
    'create Service',
    'get ChallengeInstance',
    'get ChallengeTemplate',
    'putStatus ChallengeInstance',
  ])
  forwarder = operator.startForwarder()
})

test('a lockdown closes a shared policy, and opens it again, with one write each', async () => {
  const { config, namespace, signal } = operator
  const counted = countedCluster(openCluster(operator.clientFor('reconcile')))
  const rules = rulesOf({ ports: [{ name: 'http', port: 9292 }] })
  const policy = (lockdown: boolean) => sharedPolicy(namespace, rules, { ...config, lockdown })
  const generation = async () => (await policyCalled(policy(false).metadata.name))?.metadata.generation
  await putPolicy(counted, policy(false), signal)
  for (const [lockdown, expected] of [
    [true, 2],
    [false, 3],
  ] as const) {
    counted.calls.length = 0
    expect(await putPolicy(counted, policy(lockdown), signal)).toBe('configured')
    expect(counted.calls).toEqual(['create NetworkPolicy', 'get NetworkPolicy', 'patchJson NetworkPolicy'])
    expect(await generation()).toBe(expected)
    expect(
      isSamePolicy((await policyCalled(policy(false).metadata.name)) as NetworkPolicy, policy(lockdown)),
    ).toBe(true)
  }
  await remove(operator, 'NetworkPolicy', policy(false).metadata.name)
})

describe('an instance of a release that gave it a policy of its own', () => {
  const name = 'former'

  beforeAll(async () => {
    await create(operator, templateOf(operator.namespace, 'former'))
    await createFormerInstance(operator, { name, template: 'former', team: 7 })
    await resumeInstance(operator, name)
    await untilConsistent(operator, name, 'Ready')
  })

  const deployment = () =>
    operator.cluster.get<Deployment>(referenceTo(operator, 'Deployment', name), operator.signal)
  const ownPolicy = () => policyCalled(name)

  it('keeps its pod and its policy', async () => {
    expect((await deployment())?.metadata.generation).toBe(1)
    expect(await policyNameOf(operator, name)).toBeUndefined()
    expect((await childrenOf(operator, name)).map(({ kind }) => kind)).toContain('NetworkPolicy')
  })

  it('has its policy put back, and follows the rules of its template, without another pod', async () => {
    const before = await ownPolicy()
    await edit(operator, 'NetworkPolicy', name, { spec: { egress: [{}] } })
    const putBack = (found: NetworkPolicy | undefined) =>
      found !== undefined && before !== undefined && isSamePolicy(found, before)
    await eventually<NetworkPolicy>(operator, 'NetworkPolicy', name, putBack)
    await edit(operator, 'ChallengeTemplate', 'former', { spec: { networkProfile: 'open' } })
    const isOpen = (found: NetworkPolicy | undefined) => found?.spec.egress?.length === 2
    await eventually<NetworkPolicy>(operator, 'NetworkPolicy', name, isOpen)
    await untilConsistent(operator, name, 'Ready')
    expect((await deployment())?.metadata.generation).toBe(1)
  })

  it('is closed by a lockdown, also while it or everything is paused, and opened again', async () => {
    const { cluster, namespace, signal } = operator
    const clock = { ...referenceTo(operator, 'ConfigMap', clockName), apiVersion: 'v1' }
    const order = async (data: Record<string, string>) => {
      const operations = [{ op: 'add', path: '/data', value: data } as const]
      if (await cluster.patchJson(clock, operations, signal)) return
      const metadata = { name: clockName, namespace }
      await create(operator, { apiVersion: 'v1', kind: 'ConfigMap', metadata, data } as ConfigMap)
    }
    const pausedBy = (value: string | null) =>
      edit(operator, 'ChallengeInstance', name, {
        metadata: { annotations: { [annotations.paused]: value } },
      })
    const rulesIn = ({ ingress = [], egress = [] }: NetworkPolicy['spec']) => [ingress.length, egress.length]
    const until = (...rules: number[]) =>
      eventually<NetworkPolicy>(
        operator,
        'NetworkPolicy',
        name,
        found => found !== undefined && isDeepStrictEqual(rulesIn(found.spec), rules),
      )
    await pausedBy('true')
    await phaseOf(operator, name, 'Ready', 'Paused')
    await order({ lockdown: 'true' })
    await until(0, 0)
    await order({ paused: 'true', lockdown: 'false' })
    await until(1, 2)
    await pausedBy(null)
    await order({ paused: 'true', lockdown: 'true' })
    await until(0, 0)
    await order({ lockdown: 'true' })
    await phaseOf(operator, name, 'Ready')
    await until(0, 0)
    await order({})
    await until(1, 2)
    await untilConsistent(operator, name, 'Ready')
    expect((await deployment())?.metadata.generation).toBe(1)
  })

  it('moves to the shared policy with its next pod, and loses its own when the old pod is gone', async () => {
    const { podName } = (await instanceCalled(operator, name))?.status ?? {}
    await edit(operator, 'ChallengeTemplate', 'former', { spec: { image: 'registry.example.com/ctf/web:2' } })
    let uncovered = 0
    const moved = async () => {
      // The policy is read before the pod, so a pod that is seen had its policy a moment before.
      const own = await ownPolicy()
      const old = await operator.cluster.getMetadata(
        referenceTo(operator, 'Pod', podName ?? ''),
        operator.signal,
      )
      if (own === undefined && old !== undefined) uncovered += 1
      return own === undefined
    }
    await waitUntil('the end of its own policy', 30_000, moved, operator.signal)
    expect(uncovered).toBe(0)
    expect(await policyOf(operator, name)).toBeDefined()
    expect(await policyNameOf(operator, name)).toBe(nameOf({ networkProfile: 'open' }))
    await untilConsistent(operator, name, 'Ready')
    const { children = [] } = (await instanceCalled(operator, name))?.status ?? {}
    expect(children.map(({ kind }) => kind).toSorted()).toEqual(['Deployment', 'Service'])
  })

  it('leaves nothing of its own behind', async () => {
    await remove(operator, 'ChallengeInstance', name)
    await untilConsistent(operator, name, 'gone')
  })
})
