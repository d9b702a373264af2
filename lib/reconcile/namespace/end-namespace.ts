import { annotations } from '../../crd/group.ts'
import type { KubernetesObject, Namespace, Stored, StoredOfAnyScope } from '../../crd/objects.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import type { Log } from '../../telemetry/log.ts'
import { sameVersion, setAnnotation } from '../json-patch.ts'
import { keptBy, saysKept } from './contents.ts'

export interface NamespaceToEnd {
  found: StoredOfAnyScope<Namespace>
  /** Whether something in it that the operator made goes with it. */
  mayGo: (object: Stored<KubernetesObject>) => boolean
}

/** `kept`: something in it is not the operator's. `changed`: somebody wrote to it meanwhile. */
export type NamespaceEnd = 'gone' | 'going' | 'changed' | { kept: string }

/**
 * Deletes a namespace that the operator made, in the version that was read, if nothing in it has to be kept. What keeps it
 * is written on it, and logged once.
 */
export async function endNamespace(
  { cluster, log }: { cluster: Cluster; log: Log },
  { found, mayGo }: NamespaceToEnd,
  signal: AbortSignal,
): Promise<NamespaceEnd> {
  const { name, uid, resourceVersion, deletionTimestamp } = found.metadata
  if (deletionTimestamp !== undefined) return 'going'
  const what = await keptBy(cluster, name, mayGo, signal)
  const reference = { apiVersion: 'v1', kind: 'Namespace', name }
  if (what === undefined) {
    const deleted = await cluster.delete(reference, { uid, resourceVersion }, signal)
    return deleted === 'deleting' ? 'going' : deleted === 'conflict' ? 'changed' : deleted
  }
  if (!saysKept(found, what)) {
    log.warn('namespace kept, since something in it is not ours', { namespace: name, what })
    const note = setAnnotation(found.metadata, annotations.kept, what)
    await cluster.patchJson(reference, [sameVersion(found), note], signal)
  }
  return { kept: what }
}
