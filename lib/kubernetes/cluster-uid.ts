import { abortable } from '../abort.ts'
import type { KubernetesObject, ObjectReference, StoredOfAnyScope } from '../crd/objects.ts'
import { OperatorError } from '../errors.ts'

/** Every cluster has this namespace from its start, and the API server refuses its deletion. */
const namespace = { apiVersion: 'v1', kind: 'Namespace', name: 'kube-system' } as const

/** Milliseconds. The read is shared, so it has a deadline of its own and not that of one caller. */
const readMs = 5_000

/**
 * Implements `Cluster.uid`.
 * @param read returns the metadata of an object, or undefined if there is none
 */
export function clusterUid(
  read: (
    reference: ObjectReference,
    signal: AbortSignal,
  ) => Promise<StoredOfAnyScope<KubernetesObject> | undefined>,
): (signal: AbortSignal) => Promise<string> {
  let reading: Promise<string> | undefined

  const readUid = async (): Promise<string> => {
    const found = await read(namespace, AbortSignal.timeout(readMs))
    if (found !== undefined) return found.metadata.uid
    // An API server makes the namespace a moment after its first start.
    throw new OperatorError('ClusterUnavailable', 'The cluster has no namespace "kube-system" yet.')
  }

  return async signal => {
    reading ??= readUid().catch(thrown => {
      reading = undefined
      throw thrown
    })
    try {
      return await abortable(reading, signal)
    } catch (cause) {
      if (cause instanceof OperatorError) throw cause
      throw new OperatorError('ClusterUnavailable', 'Cannot get Namespace "kube-system" in time.', { cause })
    }
  }
}
