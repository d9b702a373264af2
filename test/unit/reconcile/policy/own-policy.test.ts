import { describe, expect, it } from 'vitest'
import type { Child } from '../../../../lib/crd/challenge-instance.ts'
import { labels } from '../../../../lib/crd/group.ts'
import type { Deployment, Stored } from '../../../../lib/crd/objects.ts'
import type { Desired } from '../../../../lib/desired/desired.ts'
import { decide } from '../../../../lib/reconcile/decide.ts'
import { unneededOwnPolicy } from '../../../../lib/reconcile/policy/own-policy.ts'
import { recordedChild } from '../../../support/objects.ts'
import { built, config, instance, template } from '../../desired/inputs.ts'
import { observation, sourceOf } from '../observations.ts'

const ownRecord = recordedChild({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  name: 'web-team-7',
})

function recordsOf({ children }: Desired): Child[] {
  return children.map(({ object, hash }) => {
    const { apiVersion, kind, metadata } = object
    return { apiVersion, kind, namespace: metadata.namespace, name: metadata.name, version: '1', hash }
  })
}

const deploymentOf = ({ children }: Desired, parts: object = {}) =>
  ({ ...children.find(({ object }) => object.kind === 'Deployment')?.object, ...parts }) as Stored<Deployment>

/** The kinds of children that a pass wants for an instance with these records, and whether it wants a shared policy. */
function wanted(records: Child[], deployment: Stored<Deployment> | undefined, parts: object = {}) {
  const known = template({ flagStrategy: { type: 'hmac-per-instance' }, ...parts })
  const before = { ...instance(), status: { children: records } }
  const observed = observation({
    instance: before,
    template: { kind: 'read', template: known },
    sources: [sourceOf(known)],
    deployment,
  })
  const decision = decide(observed, config, Date.parse('2026-11-28T10:00:00Z'))
  if (decision.kind !== 'converge') throw new Error(`the pass wants to ${decision.kind}`)
  const kinds = decision.desired.children.map(({ object }) => object.kind)
  return { kinds, shared: decision.desired.sharedPolicy !== undefined }
}

describe('an instance with a policy of its own', () => {
  const withFlag = { template: template({ flagStrategy: { type: 'hmac-per-instance' } }) }
  const former = built({ ...withFlag, ownPolicy: true })
  const own = { kinds: ['Secret', 'NetworkPolicy', 'Service', 'Deployment'], shared: false }
  const moved = { kinds: ['Secret', 'Service', 'Deployment'], shared: true }

  it('keeps it for as long as its pod stays', () => {
    expect(wanted(recordsOf(former), deploymentOf(former))).toEqual(own)
  })

  it('keeps it when the rules of its template change, since its pod stays', () => {
    expect(wanted(recordsOf(former), deploymentOf(former), { networkProfile: 'open' })).toEqual(own)
  })

  it('gets the shared one with its next pod', () => {
    expect(wanted(recordsOf(former), deploymentOf(former), { image: 'x:2' })).toEqual(moved)
    expect(wanted(recordsOf(former), undefined)).toEqual(moved)
  })

  it('stays on the shared one, also while its own is still recorded', () => {
    const after = built(withFlag)
    expect(wanted([...recordsOf(after), ownRecord], deploymentOf(after))).toEqual(moved)
  })

  it('is for instances that have one: a new one is not given any', () => {
    expect(wanted([], undefined)).toEqual(moved)
  })
})

describe('the own policy of an instance', () => {
  const pods = (policy: string | undefined, status: object, generation = 2) =>
    ({
      metadata: { generation },
      spec: { template: { metadata: { labels: policy === undefined ? {} : { [labels.policy]: policy } } } },
      status: { observedGeneration: 2, ...status },
    }) as unknown as Stored<Deployment>
  const unneeded = (deployment: Stored<Deployment> | undefined) =>
    unneededOwnPolicy({ deployment }, [recordedChild(), ownRecord])

  it('is not needed when the new pod is there', () => {
    expect(unneeded(pods('p', { updatedReplicas: 1 }))).toEqual(ownRecord)
  })

  it.each<[string, Stored<Deployment> | undefined]>([
    ['the old pod is not gone', pods('p', { updatedReplicas: 0, replicas: 1 })],
    ['the controller has not seen the change', pods('p', { updatedReplicas: 1 }, 3)],
    ['no pod needs a shared one', pods(undefined, { updatedReplicas: 1 })],
    ['there is no Deployment', undefined],
  ])('is kept while %s', (_, deployment) => {
    expect(unneeded(deployment)).toBeUndefined()
  })
})

describe('an instance whose spec.restartedAt is taken away', () => {
  const plain = template({ flagStrategy: { type: 'hmac-per-instance' } })
  const restarted = built({ template: plain, instance: instance({ restartedAt: '2026-11-29T12:00:00Z' }) })
  const hashOf = ({ children }: Pick<Desired, 'children'>) =>
    children.find(({ object }) => object.kind === 'Deployment')?.hash

  function hashWanted(restartedAt?: string, known = plain) {
    const { deployment } = { deployment: deploymentOf(restarted) }
    const before = instance(restartedAt === undefined ? {} : { restartedAt })
    const observed = observation({
      ...{ instance: { ...before, status: { children: recordsOf(restarted) } }, deployment },
      ...{ template: { kind: 'read', template: known }, sources: [sourceOf(known)] },
    })
    const decision = decide(observed, config, Date.parse('2026-11-28T10:00:00Z'))
    return decision.kind === 'converge' ? hashOf(decision.desired) : decision.kind
  }

  it('keeps its pod', () => {
    expect(hashWanted()).toBe(hashOf(restarted))
  })

  it('gets a new pod by a new value, and by any other change, without the former one', () => {
    expect(hashWanted('2026-11-29T13:00:00Z')).not.toBe(hashOf(restarted))
    const other = template({ flagStrategy: { type: 'hmac-per-instance' }, image: 'x:2' })
    expect(hashWanted(undefined, other)).toBe(hashOf(built({ template: other })))
  })
})
