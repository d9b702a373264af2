import { isManaged, labels } from '../../crd/group.ts'
import type { KubernetesObject, Namespace } from '../../crd/objects.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import { beingDeleted, whatHolds } from '../../observed/namespace.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Obstacle } from '../pass/findings.ts'
import { isOfNamespace } from './contents.ts'
import { endNamespace } from './end-namespace.ts'

/** The namespace controller waits for five seconds before it removes the content of a namespace. In milliseconds. */
export const namespaceEndMs = 6_000

export type OwnNamespaceEnd =
  /** It is gone, or was kept, or is none of ours: nothing is to be waited for. */
  | { state: 'over' }
  /** It has just been marked for deletion. */
  | { state: 'started' }
  /** `holds`: what the cluster says that it waits for. */
  | { state: 'going'; holds: Obstacle | undefined }

/**
 * Ends the namespace that one instance has for itself. Everything else of the instance must be gone.
 * @param uid of the instance
 */
export async function endOwnNamespace(
  { cluster, log }: { cluster: Cluster; log: Log },
  { name, uid }: { name: string; uid: string },
  signal: AbortSignal,
): Promise<OwnNamespaceEnd> {
  const found = await cluster.get<Namespace>({ apiVersion: 'v1', kind: 'Namespace', name }, signal)
  if (found === undefined || !isOwnNamespace(found, uid)) return { state: 'over' }
  if (found.metadata.deletionTimestamp !== undefined) return { state: 'going', holds: stuckBy(found) }
  const mayGo = (object: KubernetesObject) =>
    isOfNamespace(object) || object.metadata.labels?.[labels.instanceUid] === uid
  const ended = await endNamespace({ cluster, log }, { found, mayGo }, signal)
  return ended === 'going' || ended === 'changed' ? { state: 'started' } : { state: 'over' }
}

function isOwnNamespace({ metadata }: KubernetesObject, uid: string): boolean {
  const own = metadata.labels ?? {}
  return isManaged(metadata) && own[labels.placement] === 'Instance' && own[labels.instanceUid] === uid
}

function stuckBy(found: Namespace): Obstacle | undefined {
  if (whatHolds(found) === undefined) return undefined
  return { reason: 'NamespaceStuck', message: beingDeleted(found), stalled: false }
}
