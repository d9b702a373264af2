import { describe, expect, test } from 'vitest'
import { fieldManager, labels } from '../../../lib/crd/group.ts'
import type { Deployment, KubernetesObject, Service } from '../../../lib/crd/objects.ts'
import { ownershipOf } from '../../../lib/reconcile/ownership.ts'
import { storedInstance } from '../../support/objects.ts'

const instance = storedInstance({ metadata: { uid: 'now' } })

function secret(own: Record<string, string>): KubernetesObject {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'web-7', namespace: 'ctf', labels: own } }
}

const ours = {
  [labels.managedBy]: fieldManager,
  [labels.instance]: 'web-7',
  [labels.instanceNamespace]: 'ctf',
  [labels.instanceUid]: 'now',
}

function deployment(selector: Record<string, string>, container: string, own = { app: 'web-7' }): Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web-7', namespace: 'ctf', labels: own },
    spec: {
      selector: { matchLabels: selector },
      template: { spec: { containers: [{ name: container, image: 'web:1' }] } },
    },
  }
}

function service(selector: Record<string, string>): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web-7', namespace: 'ctf', labels: { app: 'web-7' } },
    spec: { selector, ports: [{ port: 8080 }] },
  }
}

describe('ownershipOf an existing object', () => {
  const cases: [string, KubernetesObject, string][] = [
    ['with our labels and uid', secret(ours), 'ours'],
    ['with our labels and another uid', secret({ ...ours, [labels.instanceUid]: 'before' }), 'predecessor'],
    [
      'with our labels for another namespace',
      secret({ ...ours, [labels.instanceNamespace]: 'other' }),
      'foreign',
    ],
    ['with our labels for another instance', secret({ ...ours, [labels.instance]: 'web' }), 'foreign'],
    ['without our labels', secret({}), 'foreign'],
    [
      'a Secret with the label of the old operator, which made no Secrets',
      secret({ app: 'web-7' }),
      'foreign',
    ],
    ["the old operator's Deployment", deployment({ app: 'web-7' }, 'web-7'), 'adoptable'],
    ['a Deployment with another selector', deployment({ app: 'web-7', tier: 'x' }, 'web-7'), 'foreign'],
    ['a Deployment with another container', deployment({ app: 'web-7' }, 'nginx'), 'foreign'],
    ['a Deployment of another app', deployment({ app: 'web-7' }, 'web-7', { app: 'shop' }), 'foreign'],
    ["the old operator's Service", service({ app: 'web-7' }), 'adoptable'],
    ['a Service that selects something else', service({ app: 'shop' }), 'foreign'],
  ]
  test.each(cases)('%s', (_, existing, ownership) => expect(ownershipOf(existing, instance)).toBe(ownership))
})
