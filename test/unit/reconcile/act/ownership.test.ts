import { describe, expect, test } from 'vitest'
import type { ChallengeInstanceStatus } from '../../../../lib/crd/challenge-instance.ts'
import { fieldManager, labels } from '../../../../lib/crd/group.ts'
import type { Deployment, KubernetesObject, Service, Stored } from '../../../../lib/crd/objects.ts'
import { isReplaced, ownershipOf } from '../../../../lib/reconcile/act/ownership.ts'
import { recordedChild, storedInstance } from '../../../support/objects.ts'

const creationTimestamp = '2026-11-25T10:00:00Z'
const earlier = '2026-11-25T09:59:59Z'
const key = { name: 'web-7', namespace: 'ctf', uid: 'u', resourceVersion: '1', creationTimestamp }
const metadata = { uid: 'now', creationTimestamp }
const instance = storedInstance({ metadata })

function secret(own: Record<string, string>): Stored<KubernetesObject> {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { ...key, labels: own } }
}

const ours = {
  [labels.managedBy]: fieldManager,
  [labels.instance]: 'web-7',
  [labels.instanceNamespace]: 'ctf',
  [labels.instanceUid]: 'now',
}

interface DeploymentParts {
  selector?: Record<string, string>
  container?: string
  own?: Record<string, string>
  createdAt?: string
}

function deployment(parts: DeploymentParts = {}): Stored<Deployment> {
  const { selector = { app: 'web-7' }, container = 'web-7', own = { app: 'web-7' } } = parts
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { ...key, labels: own, creationTimestamp: parts.createdAt ?? creationTimestamp },
    spec: {
      selector: { matchLabels: selector },
      template: { spec: { containers: [{ name: container, image: 'web:1' }] } },
    },
  }
}

function service(selector: Record<string, string> = { app: 'web-7' }): Stored<Service> {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { ...key, labels: { app: 'web-7' } },
    spec: { selector, ports: [{ port: 8080 }] },
  }
}

describe('ownershipOf by labels', () => {
  const cases: [string, Stored<KubernetesObject>, string][] = [
    ['our labels and uid are ours', secret(ours), 'ours'],
    [
      'our labels and another uid are a predecessor',
      secret({ ...ours, [labels.instanceUid]: 'before' }),
      'predecessor',
    ],
    [
      'our labels for another namespace are foreign',
      secret({ ...ours, [labels.instanceUid]: 'another', [labels.instanceNamespace]: 'other' }),
      'foreign',
    ],
    [
      'our labels for another instance are foreign',
      secret({ ...ours, [labels.instanceUid]: 'another', [labels.instance]: 'web' }),
      'foreign',
    ],
    ['our uid is ours, whatever became of the other labels', secret({ [labels.instanceUid]: 'now' }), 'ours'],
    ['no labels of ours are foreign', secret({}), 'foreign'],
  ]
  test.each(cases)('%s', (_, existing, ownership) => expect(ownershipOf(existing, instance)).toBe(ownership))
})

describe('ownershipOf an object without our labels and with the instance as its owner', () => {
  const ownerReferences = [{ apiVersion: 'v1alpha1', kind: 'ChallengeInstance', name: 'web-7', uid: 'now' }]
  const owned = { ...secret({}), metadata: { ...key, ownerReferences } }
  const child = recordedChild({ apiVersion: 'v1', kind: 'Secret' })

  test('is ours if it is recorded', () => {
    const recording = storedInstance({ metadata, status: { children: [child] } })
    expect(ownershipOf(owned, recording)).toBe('ours')
    expect(ownershipOf(secret({}), recording)).toBe('foreign')
  })

  test('is foreign if it is not recorded', () => expect(ownershipOf(owned, instance)).toBe('foreign'))
})

describe('ownershipOf the objects of the older operator', () => {
  const running = storedInstance({ metadata, status: { phase: 'Ready', url: 'http://web-7' } })

  test('the Deployment is adoptable', () => expect(ownershipOf(deployment(), running)).toBe('adoptable'))
  test('the Service is adoptable', () => expect(ownershipOf(service(), running)).toBe('adoptable'))
  test('they stay adoptable while the status says that they are to be adopted', () => {
    const condition = { type: 'Ready', status: 'False', reason: 'Progressing', message: '' } as const
    const conditions = [{ ...condition, lastTransitionTime: creationTimestamp }]
    const status = { phase: 'Pending', observedGeneration: 1, conditions, adopting: true } as const
    const paused = storedInstance({ metadata, status: { ...status, conditions } })
    expect(ownershipOf(deployment(), paused)).toBe('adoptable')
  })

  const foreign: [string, Stored<KubernetesObject>][] = [
    ['a Secret, which that operator did not make', secret({ app: 'web-7' })],
    ['a Deployment with another selector', deployment({ selector: { app: 'web-7', tier: 'x' } })],
    ['a Deployment with another container', deployment({ container: 'nginx' })],
    ['a Deployment of another app', deployment({ own: { app: 'shop' } })],
    ['a Deployment older than the instance', deployment({ createdAt: earlier })],
    ['a Service that selects something else', service({ app: 'shop' })],
  ]
  test.each(foreign)('%s is foreign', (_, existing) => expect(ownershipOf(existing, running)).toBe('foreign'))
})

describe('ownershipOf an object of the shape that kubectl makes, where the instance', () => {
  const child = recordedChild()
  const statuses: [string, ChallengeInstanceStatus | undefined][] = [
    ['is new', undefined],
    ['was observed by a pass', { phase: 'Ready', observedGeneration: 1, conditions: [] }],
    ['had a first pass that failed', { phase: 'Pending', conditions: [] }],
    ['has a recorded child of that name', { phase: 'Ready', adopting: true, children: [child] }],
  ]
  test.each(statuses)('%s, is foreign', (_, status) =>
    expect(ownershipOf(deployment(), storedInstance({ metadata, status }))).toBe('foreign'),
  )
})

describe('an object in the place of a recorded child', () => {
  const recorded = storedInstance({
    metadata,
    status: { children: [recordedChild({ apiVersion: 'v1', kind: 'Secret' })] },
  })

  test('is another one if we never wrote to it', () => {
    expect(isReplaced(secret({}), recorded)).toBe(true)
    expect(isReplaced(secret({ ...ours, [labels.instanceUid]: 'other' }), recorded)).toBe(true)
  })

  test('is the child, also after somebody has changed its labels', () => {
    expect(isReplaced(secret(ours), recorded)).toBe(false)
    const { metadata: own, ...rest } = secret({})
    const managedFields = [{ manager: fieldManager }]
    expect(isReplaced({ ...rest, metadata: { ...own, managedFields } }, recorded)).toBe(false)
  })
})
