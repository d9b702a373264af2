import { describe, expect, it } from 'vitest'
import { parseOperatorConfig } from '../../../lib/config/operator.ts'
import { annotations, defaultDenyName, fieldManager, labels } from '../../../lib/crd/group.ts'
import type { KubernetesObject, Named, NetworkPolicy, Stored } from '../../../lib/crd/objects.ts'
import { defaultDeny } from '../../../lib/desired/objects/default-deny.ts'
import { sharedPolicy } from '../../../lib/desired/objects/network-policy.ts'
import { policyRules } from '../../../lib/desired/policy-rules.ts'
import { unusedMs } from '../../../lib/desired/unused.ts'
import { createIntactCheck } from '../../../lib/observed/policy-digest.ts'
import {
  defaultDenyNeeds,
  type PolicyNeed,
  policyNeed,
  unusedPolicies,
  wrongPolicies,
} from '../../../lib/sweep/policies.ts'
import { type SweptChild, sweptChild } from '../../../lib/sweep/swept-child.ts'
import { sweptInstance } from '../../../lib/sweep/swept-instance.ts'
import { recordedChild, storedInstance, storedTemplate } from '../../support/objects.ts'

const now = Date.parse('2026-11-21T09:00:00Z')
const config = parseOperatorConfig({})
const isIntact = createIntactCheck(config)
const rules = policyRules(storedTemplate().spec)

/** A policy as a sweep has read it: the API server leaves empty lists out. */
function read(built: Named<NetworkPolicy>, spec: object = {}, metadata: object = {}): SweptChild {
  const entries = Object.entries(built.spec).filter(([, value]) => !Array.isArray(value) || value.length > 0)
  const stored = { uid: 'u', resourceVersion: '3', creationTimestamp: '2026-11-21T08:00:00Z' }
  const object = {
    ...built,
    metadata: { ...built.metadata, ...stored, ...metadata },
    spec: { ...Object.fromEntries(entries), ...spec },
  }
  return sweptChild(object as unknown as Stored<KubernetesObject>, isIntact)
}

const shared = (spec: object = {}, metadata: object = {}, namespace = 'ctf') =>
  read(sharedPolicy(namespace, rules, config), spec, metadata)
const { name } = shared().metadata
const need = (policy: string, namespace = 'ctf'): PolicyNeed => ({
  policy: { namespace, name: policy },
  neededBy: { namespace: 'ctf', name: 'web-7' },
})

describe('the need of an object', () => {
  const object = (kind: string, own: Record<string, string> = {}) =>
    ({
      apiVersion: 'v1',
      kind,
      metadata: {
        name: 'x',
        namespace: 'workloads',
        labels: {
          [labels.instance]: 'web-7',
          [labels.instanceNamespace]: 'ctf',
          [labels.policy]: name,
          ...own,
        },
      },
    }) as unknown as Stored<KubernetesObject>

  it('is the policy of its label, in its own namespace', () => {
    for (const kind of ['Pod', 'Deployment'])
      expect(policyNeed(object(kind))).toEqual(need(name, 'workloads'))
  })

  it('is none for a ReplicaSet of earlier days, or without the label', () => {
    expect(policyNeed(object('ReplicaSet'))).toBeUndefined()
    expect(policyNeed(object('Pod', { [labels.policy]: '' }))).toBeUndefined()
  })

  it('is the default-deny policy of each namespace in which something of an instance is, once', () => {
    const children = [recordedChild(), recordedChild({ kind: 'Service', apiVersion: 'v1' })]
    const instances = ['a', 'b'].map(each =>
      sweptInstance(storedInstance({ metadata: { name: each }, status: { children } })),
    )
    expect(defaultDenyNeeds(instances).map(({ policy }) => policy)).toEqual([
      { namespace: 'ctf', name: defaultDenyName },
    ])
    expect(defaultDenyNeeds([sweptInstance(storedInstance())])).toEqual([])
  })
})

describe('wrongPolicies', () => {
  const needs = [need(name), need(name), need(defaultDenyName)]
  const intact = [shared(), read(defaultDeny('ctf'))]

  it('finds nothing if what is needed is as it was made', () => {
    expect(wrongPolicies(intact, needs)).toEqual([])
  })

  it('finds a policy that is absent, once, also if another namespace has it', () => {
    const elsewhere = [shared({}, {}, 'other'), read(defaultDeny('other'))]
    expect(wrongPolicies(elsewhere, needs).map(({ policy, found }) => [policy.name, found])).toEqual([
      [name, undefined],
      [defaultDenyName, undefined],
    ])
  })

  it.each<[string, SweptChild]>([
    ['lets something in', shared({ ingress: [{}] })],
    ['lets something out', shared({ egress: [{}] })],
    ['has no direction out any more', shared({ policyTypes: ['Ingress'] })],
    ['selects other pods', shared({ podSelector: {} })],
    ['has other labels of ours', shared({}, { labels: { [labels.managedBy]: fieldManager } })],
    ['has lost its rules', shared({}, { annotations: {} })],
    ['is the default-deny policy and lets something in', read(defaultDeny('ctf'), { ingress: [{}] })],
    ['is the default-deny policy and selects other pods', read(defaultDeny('ctf'), { podSelector: {} })],
    [
      'is the default-deny policy and has another label of ours',
      read(defaultDeny('ctf'), {}, { labels: { [labels.managedBy]: 'somebody' } }),
    ],
  ])('finds a policy that %s', (_, changed) => {
    const others = intact.filter(each => each.metadata.name !== changed.metadata.name)
    expect(wrongPolicies([...others, changed], needs).map(({ found }) => found)).toEqual([changed])
  })

  it('leaves out a policy with a label, an annotation and a finalizer of somebody else', () => {
    const policy = sharedPolicy('ctf', rules, config)
    const noted = shared(
      {},
      {
        labels: { ...policy.metadata.labels, mesh: 'on' },
        annotations: { ...policy.metadata.annotations, note: 'x' },
        finalizers: ['example.com/hold'],
      },
    )
    expect(wrongPolicies([noted], [need(name)])).toEqual([])
  })
})

describe('unusedPolicies', () => {
  const marked = (at: number) => {
    const since = new Date(at).toISOString()
    const { annotations: own } = sharedPolicy('ctf', rules, config).metadata
    return shared({}, { annotations: { ...own, [annotations.unusedSince]: since } })
  }

  it('finds a shared policy that nothing in its namespace needs', () => {
    expect(unusedPolicies([shared()], [need(name, 'other')], now)).toEqual([shared()])
    expect(unusedPolicies([shared()], [need(name)], now)).toEqual([])
  })

  it('leaves out one that was marked of late, and finds it when it was unused for long enough', () => {
    expect(unusedPolicies([marked(now - unusedMs + 1)], [], now)).toEqual([])
    expect(unusedPolicies([marked(now - unusedMs)], [], now)).toHaveLength(1)
  })

  it('leaves out the default-deny policy, and policies of others', () => {
    const foreign = shared({}, { labels: { [labels.policy]: name } })
    expect(unusedPolicies([read(defaultDeny('ctf')), foreign], [], now)).toEqual([])
  })
})
