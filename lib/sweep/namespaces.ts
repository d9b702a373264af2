import type { PlacementSettings } from '../config/placement.ts'
import { annotations, labels } from '../crd/group.ts'
import type { KubernetesObject, StoredOfAnyScope } from '../crd/objects.ts'
import { eventNamespacePrefix } from '../desired/identity.ts'
import { quotaText } from '../desired/objects/resource-quota.ts'
import { isOfEvent, unusedSinceMs } from '../observed/namespace.ts'
import type { Mismatch } from './mismatch.ts'
import type { SweptInstance } from './swept-instance.ts'

/**
 * Returns the namespaces of events that need a look: those without children that are not marked yet or were marked a grace
 * ago, and those that are marked although something lives in them.
 * @param occupied namespaces in which an instance of any operator has a child
 * @param now epoch milliseconds
 */
export function eventNamespacesToLookAt(
  namespaces: readonly StoredOfAnyScope<KubernetesObject>[],
  occupied: ReadonlySet<string>,
  { graceMs, now }: { graceMs: number; now: number },
): StoredOfAnyScope<KubernetesObject>[] {
  return namespaces.filter(object => {
    const { name, deletionTimestamp } = object.metadata
    if (!isOfEvent(object) || deletionTimestamp !== undefined) return false
    const since = unusedSinceMs(object)
    if (occupied.has(name)) return since !== undefined
    return since === undefined || now - since >= graceMs
  })
}

/**
 * Returns instances that are gone and whose own namespaces are still there. The pass of such a key removes the namespace,
 * unless something in it is not ours.
 */
export function ownNamespacesLeft(
  namespaces: readonly StoredOfAnyScope<KubernetesObject>[],
  instances: ReadonlyMap<string, SweptInstance>,
  watches: (namespace: string) => boolean,
): Mismatch[] {
  return namespaces.flatMap(({ metadata }) => {
    const own = metadata.labels ?? {}
    const { [labels.instanceUid]: uid, [labels.instance]: name, [labels.instanceNamespace]: namespace } = own
    if (own[labels.placement] !== 'Instance' || !uid || !name || !namespace) return []
    if (instances.has(uid) || !watches(namespace) || metadata.deletionTimestamp !== undefined) return []
    const { resourceVersion } = metadata
    return [
      { key: { namespace, name, uid }, cause: 'orphan', resourceVersion, workloadNamespace: metadata.name },
    ]
  })
}

/**
 * Returns the namespaces of events whose quota is not the one that is configured. Those with another prefix are another
 * operator's, or of earlier days.
 */
export function withOutdatedQuota(
  namespaces: readonly StoredOfAnyScope<KubernetesObject>[],
  settings: PlacementSettings,
): StoredOfAnyScope<KubernetesObject>[] {
  const quota = quotaText(settings.eventQuota)
  const prefix = eventNamespacePrefix(settings)
  return namespaces.filter(object => {
    const { name, annotations: own, deletionTimestamp } = object.metadata
    if (!isOfEvent(object) || !name.startsWith(prefix) || deletionTimestamp !== undefined) return false
    return own?.[annotations.eventQuota] !== quota
  })
}
