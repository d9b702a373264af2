import { describe, expect, test } from 'vitest'
import { fieldManager, labels } from '../../../../lib/crd/group.ts'
import type { KubernetesObject, ObjectMeta, Stored } from '../../../../lib/crd/objects.ts'
import { nameTaken } from '../../../../lib/reconcile/act/name-taken.ts'

function service(parts: ObjectMeta): Stored<KubernetesObject> {
  const metadata = {
    name: 'web-7',
    namespace: 'ctf',
    uid: 'u',
    resourceVersion: '1',
    creationTimestamp: '2026-11-21T08:00:00Z',
    ...parts,
  }
  return { apiVersion: 'v1', kind: 'Service', metadata }
}

const writtenBy = (manager: string) => [{ manager, operation: 'Update' as const }]
const ownerReference = { apiVersion: 'apps/v1', kind: 'Shop', name: 'shop', uid: 'x', controller: true }

describe('the message of NameTaken', () => {
  const owners: [string, ObjectMeta, string][] = [
    [
      'another instance',
      {
        labels: {
          [labels.managedBy]: fieldManager,
          [labels.instance]: 'web-7',
          [labels.instanceNamespace]: 'other',
        },
      },
      'ChallengeInstance "web-7" in namespace "other"',
    ],
    ['the default-deny policy', { labels: { [labels.managedBy]: fieldManager } }, 'the operator itself'],
    ['a controller', { ownerReferences: [ownerReference] }, 'Shop "shop"'],
    [
      'a Helm release',
      { labels: { [labels.managedBy]: 'Helm' }, annotations: { 'meta.helm.sh/release-name': 'platform' } },
      'the Helm release "platform"',
    ],
    ['another tool', { labels: { [labels.managedBy]: 'argocd' } }, '"argocd"'],
    ['a user', { managedFields: writtenBy('kubectl-create') }, 'the user of "kubectl-create"'],
    ['the API server', { managedFields: writtenBy('kube-apiserver') }, 'Kubernetes itself'],
  ]
  test.each(owners)('names %s as the likely owner', (_, metadata, owner) => {
    const { message, reason, fate } = nameTaken(service(metadata))
    expect(message).toContain(
      `Service "web-7" in namespace "ctf" exists already and seems to belong to ${owner};`,
    )
    expect([reason, fate]).toEqual(['NameTaken', 'permanent'])
  })

  test('names the object alone where nothing tells its owner', () => {
    expect(nameTaken(service({})).message).toBe(
      'Service "web-7" in namespace "ctf" exists already; the operator does not touch it. ' +
        'Create the instance under another name.',
    )
  })

  test('advises nobody to delete the object', () => {
    expect(nameTaken(service({ managedFields: writtenBy('kube-apiserver') })).message).not.toMatch(
      /delet|remov/i,
    )
  })

  test('cuts a long name of an owner', () => {
    const { message } = nameTaken(service({ managedFields: writtenBy('x'.repeat(5_000)) }))
    expect(message.length).toBeLessThan(400)
  })
})
