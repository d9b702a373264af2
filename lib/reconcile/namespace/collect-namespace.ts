import { annotations, labels } from '../../crd/group.ts'
import type { KubernetesObject, Namespace, StoredOfAnyScope } from '../../crd/objects.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import type { ChangeMessage } from '../../messages.ts'
import { isOfEvent, unusedSinceMs } from '../../observed/namespace.ts'
import type { Log } from '../../telemetry/log.ts'
import { removeAnnotation, sameVersion, setAnnotation } from '../json-patch.ts'
import { isOfNamespace } from './contents.ts'
import { endNamespace } from './end-namespace.ts'

/** The namespace of an event that the sweep found unused, in the version that it read. */
export type UnusedNamespace = Pick<ChangeMessage, 'name' | 'uid' | 'resourceVersion'>

export type CollectNamespace = (unused: UnusedNamespace, signal: AbortSignal) => Promise<void>

interface Collecting {
  cluster: Cluster
  /** Milliseconds that a namespace stays after it was marked. */
  graceMs: number
  /** Epoch milliseconds. */
  now: () => number
  log: Log
}

/**
 * Creates the step that removes the namespaces of events in which nothing runs any more.
 *
 * Flow: the first time, the namespace is marked with the time. Whoever places an instance into it takes the mark off. When
 * the sweep finds it unused again, and the mark is older than the grace, it is looked into once more and deleted in the
 * version that was read. A namespace that is in use again loses its mark here as well.
 *
 * Guarantees: a namespace that the operator did not make is not touched, nor is one that holds something of others. A pass
 * that has seen the namespace without a mark trusts it for less than the grace, so its instance shows by then. A pass that
 * takes the mark off changes the version, and the deletion is refused.
 */
export function createCollectNamespace({ cluster, graceMs, now, log }: Collecting): CollectNamespace {
  return async ({ name, uid, resourceVersion }, signal) => {
    const reference = { apiVersion: 'v1', kind: 'Namespace', name }
    const found = await cluster.get<Namespace>(reference, signal)
    if (found === undefined || !isUnchanged(found, { uid, resourceVersion }) || !isOfEvent(found)) return
    const change = (operation: ReturnType<typeof removeAnnotation>) =>
      cluster.patchJson(reference, [sameVersion(found), operation], signal)
    const since = unusedSinceMs(found)
    if (since === undefined) {
      await change(setAnnotation(found.metadata, annotations.unusedSince, new Date(now()).toISOString()))
      return
    }
    if (await hasInstances(cluster, name, signal)) {
      await change(removeAnnotation(annotations.unusedSince))
      return
    }
    if (now() - since < graceMs) return
    const ended = await endNamespace({ cluster, log }, { found, mayGo: isOfNamespace }, signal)
    log.info('unused namespace of an event collected', { namespace: name, ended })
  }
}

function isUnchanged(
  { metadata }: StoredOfAnyScope<KubernetesObject>,
  { uid, resourceVersion }: Pick<UnusedNamespace, 'uid' | 'resourceVersion'>,
): boolean {
  return (
    metadata.uid === uid &&
    metadata.resourceVersion === resourceVersion &&
    metadata.deletionTimestamp === undefined
  )
}

/** Whether a Deployment of an instance is in the namespace: it is the last child to come and the first to go. */
async function hasInstances(cluster: Cluster, namespace: string, signal: AbortSignal): Promise<boolean> {
  const selection = { namespace, labelSelector: labels.instanceUid, metadataOnly: true }
  for await (const page of cluster.list({ apiVersion: 'apps/v1', kind: 'Deployment' }, selection, signal))
    if (page.length > 0) return true
  return false
}
