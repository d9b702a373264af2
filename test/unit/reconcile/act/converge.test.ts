import { expect, test } from 'vitest'
import { fieldManager, labels } from '../../../../lib/crd/group.ts'
import type { KubernetesObject, Stored } from '../../../../lib/crd/objects.ts'
import type { Cluster } from '../../../../lib/kubernetes/cluster.ts'
import { converge } from '../../../../lib/reconcile/act/converge.ts'
import { recordedChild, storedInstance } from '../../../support/objects.ts'
import { observation } from '../observations.ts'

const { signal } = new AbortController()
const child = recordedChild({ apiVersion: 'v1', kind: 'Secret' })
const instance = storedInstance({ status: { children: [child] } })

/** The uids that are deleted because nothing is desired any more, and the records that are left. */
async function pruned(own: Record<string, string>) {
  const creationTimestamp = '2026-11-29T10:00:00Z'
  const metadata = { name: 'web-7', namespace: 'ctf', uid: 's', resourceVersion: '1', creationTimestamp }
  const found: Stored<KubernetesObject> = { ...child, metadata: { ...metadata, labels: own } }
  const deleted: unknown[] = []
  const cluster = {
    getMetadata: async () => found,
    delete: async (_: unknown, options: unknown) => deleted.push(options),
  } as unknown as Cluster
  const toConverge = { observed: observation({ instance }), desired: [], now: 0, ignorePauses: false }
  const { children } = await converge(cluster, toConverge, signal)
  return { deleted, children }
}

test('a child that is not desired any more is deleted', async () => {
  const own = { [labels.managedBy]: fieldManager, [labels.instanceUid]: 'instance-uid' }
  expect(await pruned(own)).toEqual({ deleted: [{ propagation: 'Background', uid: 's' }], children: [] })
})

test('an object of another client under the name of that child is not deleted', async () => {
  expect(await pruned({ app: 'web-7' })).toEqual({ deleted: [], children: [] })
})
