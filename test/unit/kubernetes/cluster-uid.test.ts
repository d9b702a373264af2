import { describe, expect, test } from 'vitest'
import type { KubernetesObject, StoredOfAnyScope } from '../../../lib/crd/objects.ts'
import { OperatorError } from '../../../lib/errors.ts'
import { clusterUid } from '../../../lib/kubernetes/cluster-uid.ts'

const never = new AbortController().signal

/** Reads that end with these results, in order. */
function reads(...results: (string | undefined | Error)[]) {
  const asked: unknown[] = []
  const read = async (reference: unknown) => {
    asked.push(reference)
    const result = results[asked.length - 1]
    if (result instanceof Error) throw result
    if (result === undefined) return undefined
    return { metadata: { name: 'kube-system', uid: result } } as StoredOfAnyScope<KubernetesObject>
  }
  return { uid: clusterUid(read), asked }
}

describe('the uid of a cluster', () => {
  test('is read once, from the namespace kube-system', async () => {
    const { uid, asked } = reads('cluster-1')
    expect(await Promise.all([uid(never), uid(never)])).toEqual(['cluster-1', 'cluster-1'])
    expect(await uid(never)).toBe('cluster-1')
    expect(asked).toEqual([{ apiVersion: 'v1', kind: 'Namespace', name: 'kube-system' }])
  })

  test('is read again after a read that failed', async () => {
    const refused = new OperatorError('Forbidden', 'no right')
    const { uid } = reads(refused, undefined, 'cluster-1')
    await expect(uid(never)).rejects.toBe(refused)
    await expect(uid(never)).rejects.toMatchObject({ reason: 'ClusterUnavailable' })
    expect(await uid(never)).toBe('cluster-1')
  })

  test('is not waited for longer than the caller wants, and the next caller has it', async () => {
    const { promise, resolve } = Promise.withResolvers<StoredOfAnyScope<KubernetesObject>>()
    const uid = clusterUid(() => promise)
    const impatient = AbortSignal.abort(new Error('deadline'))
    await expect(uid(impatient)).rejects.toMatchObject({ reason: 'ClusterUnavailable' })
    resolve({ metadata: { name: 'kube-system', uid: 'cluster-1' } } as StoredOfAnyScope<KubernetesObject>)
    expect(await uid(never)).toBe('cluster-1')
  })
})
