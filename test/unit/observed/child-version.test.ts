import { describe, expect, it } from 'vitest'
import { annotations, fieldManager, labels } from '../../../lib/crd/group.ts'
import type { KubernetesObject, ObjectMeta, Stored } from '../../../lib/crd/objects.ts'
import { childVersion, isSameContent, isSameVersion } from '../../../lib/observed/child-version.ts'

const stored = {
  name: 'web-7',
  namespace: 'ctf',
  uid: 'u',
  resourceVersion: '5',
  creationTimestamp: '2026-11-21T09:00:00Z',
}
const own = { [labels.app]: 'web-7', [labels.managedBy]: fieldManager, [labels.team]: '7' }

interface Parts {
  metadata?: ObjectMeta
  spec?: object
}

function object(kind: string, { metadata, spec }: Parts): Stored<KubernetesObject> {
  const whole = { apiVersion: 'v1', kind, metadata: { ...stored, labels: own, ...metadata } }
  return { ...whole, ...(spec && { spec }) } as Stored<KubernetesObject>
}

const service = ({ metadata, spec }: Parts = {}) =>
  object('Service', {
    metadata: { ...metadata },
    spec: { selector: { app: 'web-7' }, ports: [{ port: 8080 }], ...spec },
  })
const deployment = ({ metadata, spec }: Parts = {}) =>
  object('Deployment', { metadata: { generation: 2, ...metadata }, spec: { replicas: 1, ...spec } })

/** Every write of a Service has a new version, and every one of a Deployment's spec a new generation. */
const written = (after: Stored<KubernetesObject>): Stored<KubernetesObject> => {
  const { generation } = after.metadata
  const next = { resourceVersion: '6', ...(generation !== undefined && { generation: generation + 1 }) }
  return { ...after, metadata: { ...after.metadata, ...next } }
}

/** Annotations of a child, and those of them that our field manager wrote. */
const annotated = (all: Record<string, string>, ours: readonly string[] = Object.keys(all)): ObjectMeta => {
  const fields = Object.fromEntries(ours.map(name => [`f:${name}`, {}]))
  const fieldsV1 = { 'f:metadata': { 'f:annotations': { '.': {}, ...fields } } }
  const theirs = { manager: 'kubectl', fieldsV1: { 'f:metadata': { 'f:annotations': { 'f:theirs': {} } } } }
  const status = { manager: fieldManager, subresource: 'status', fieldsV1: {} }
  return {
    annotations: all,
    managedFields: [{ manager: fieldManager, operation: 'Apply', fieldsV1 }, theirs, status],
  }
}
const timeout = { 'nginx.ingress.kubernetes.io/proxy-read-timeout': '60' }

type Case = [change: string, before: Stored<KubernetesObject>, after: Stored<KubernetesObject>]

const foreign: Case[] = [
  [
    'an annotation of a Service',
    service(),
    service({ metadata: { resourceVersion: '6', annotations: { 'cloud.google.com/neg-status': '{}' } } }),
  ],
  [
    'an annotation of somebody else beside one of ours',
    service({ metadata: annotated(timeout) }),
    service({ metadata: annotated({ ...timeout, theirs: '1' }, Object.keys(timeout)) }),
  ],
  [
    'a note of the operator, which is in no desired state',
    service(),
    service({ metadata: annotated({ [annotations.triedAgain]: 'now' }) }),
  ],
  [
    'a label of a Service',
    service(),
    service({ metadata: { resourceVersion: '6', labels: { ...own, mesh: 'on' } } }),
  ],
  [
    'a finalizer of a Service',
    service(),
    service({ metadata: { resourceVersion: '6', finalizers: ['example.com/hold'] } }),
  ],
  [
    'addresses and ports that the server fills in',
    service(),
    service({
      spec: {
        clusterIP: '10.0.0.7',
        clusterIPs: ['10.0.0.7'],
        ipFamilies: ['IPv4'],
        ipFamilyPolicy: 'SingleStack',
        ports: [{ port: 8080, nodePort: 30_080 }],
      },
    }),
  ],
  [
    'an annotation of a Deployment, which is a new generation',
    deployment(),
    deployment({ metadata: { generation: 3, annotations: { [annotations.triedAgain]: 'now' } } }),
  ],
  [
    'the annotation of kubectl rollout restart',
    deployment({ spec: { template: { metadata: { labels: own } } } }),
    deployment({
      metadata: { generation: 3 },
      spec: {
        template: {
          metadata: { labels: own, annotations: { 'kubectl.kubernetes.io/restartedAt': '2026-11-29' } },
        },
      },
    }),
  ],
]

const ours: Case[] = [
  ['the selector of a Service', service(), service({ spec: { selector: { app: 'another' } } })],
  ['a field that we leave out', service(), service({ spec: { externalIPs: ['10.9.9.9'] } })],
  ['a port of ours', service(), service({ spec: { ports: [{ port: 8081 }] } })],
  [
    'one of our labels',
    service(),
    service({ metadata: { resourceVersion: '6', labels: { ...own, [labels.team]: '8' } } }),
  ],
  [
    'the loss of a label of ours',
    service(),
    service({ metadata: { labels: { [labels.managedBy]: fieldManager } } }),
  ],
  [
    'the loss of an annotation of ours',
    service({ metadata: annotated(timeout) }),
    service({ metadata: annotated({}) }),
  ],
  [
    'the loss of one of two annotations of ours',
    service({ metadata: annotated({ ...timeout, other: '1' }) }),
    service({ metadata: annotated(timeout) }),
  ],
  [
    'an annotation of ours that somebody else has changed, and so owns',
    service({ metadata: annotated(timeout) }),
    service({ metadata: annotated({ 'nginx.ingress.kubernetes.io/proxy-read-timeout': '9' }, []) }),
  ],
  ['the number of replicas', deployment(), deployment({ spec: { replicas: 0 } })],
  [
    'another annotation of the pod template',
    deployment({ spec: { template: { metadata: { labels: own } } } }),
    deployment({ spec: { template: { metadata: { labels: own, annotations: { inject: 'yes' } } } } }),
  ],
  ['a recreation under the same name', deployment(), deployment({ metadata: { uid: 'v' } })],
  [
    'the loss of the owner',
    service({
      metadata: { ownerReferences: [{ apiVersion: 'v1', kind: 'X', name: 'x', uid: 'owner' }] },
    }),
    service(),
  ],
]

describe('isSameVersion', () => {
  it.each(foreign)('ignores %s', (_change, before, after) => {
    expect(isSameVersion(childVersion(before), childVersion(after))).toBe(true)
    expect(isSameContent(before, after)).toBe(true)
  })

  it.each(ours)('shows %s', (_change, before, after) => {
    expect(isSameVersion(childVersion(before), childVersion(written(after)))).toBe(false)
    expect(isSameContent(before, after)).toBe(false)
  })

  it('ignores a default that another release of the API server has, since nothing was written', () => {
    const defaults = { revisionHistoryLimit: 10 }
    const recorded = childVersion(deployment())
    expect(isSameVersion(recorded, childVersion(deployment({ spec: defaults })))).toBe(true)
    expect(isSameVersion(childVersion(service()), childVersion(service({ spec: defaults })))).toBe(true)
  })

  it('compares generations and labels if only the metadata were read', () => {
    const recorded = childVersion(deployment())
    const { metadata } = deployment()
    expect(isSameVersion(recorded, childVersion(object('Deployment', { metadata })))).toBe(true)
    const newer = { ...metadata, generation: 3 }
    expect(isSameVersion(recorded, childVersion(object('Deployment', { metadata: newer })))).toBe(false)
    const relabelled = { ...metadata, labels: {} }
    expect(isSameVersion(recorded, childVersion(object('Deployment', { metadata: relabelled })))).toBe(false)
  })

  it('compares the resourceVersion of a Secret', () => {
    const recorded = childVersion(object('Secret', {}))
    expect(isSameVersion(recorded, childVersion(object('Secret', {})))).toBe(true)
    const newer = object('Secret', { metadata: { resourceVersion: '6' } })
    expect(isSameVersion(recorded, childVersion(newer))).toBe(false)
  })

  it('compares the number alone with a version of an earlier release', () => {
    expect(isSameVersion('2-0f0f0f0f', childVersion(deployment()))).toBe(true)
    expect(isSameVersion('1-0f0f0f0f', childVersion(deployment()))).toBe(false)
    expect(isSameVersion('5-0f0f0f0f', childVersion(service()))).toBe(true)
    expect(isSameVersion('4-0f0f0f0f', childVersion(service()))).toBe(false)
  })
})

describe('childVersion', () => {
  it('has no hash of the values of a Secret', () => {
    const secret = { ...object('Secret', {}), data: { flag: 'ZmxhZw==' } }
    const another = { ...object('Secret', {}), data: { flag: 'b3RoZXI=' } }
    expect(childVersion(secret)).toBe(childVersion(another))
    expect(isSameContent(secret, another)).toBe(false)
  })

  it('fits the field of the status', () => {
    expect(childVersion(deployment({ metadata: { generation: 2 ** 53 } })).length).toBeLessThan(256)
  })
})
