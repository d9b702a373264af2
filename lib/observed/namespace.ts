import { isManaged, labels } from '../crd/group.ts'
import type { KubernetesObject, Namespace } from '../crd/objects.ts'
import { unusedSince } from '../desired/unused.ts'
import { shortened } from '../refusal.ts'

/** Conditions of a namespace that is being deleted, the one that says most first. */
const deletionConditions = [
  'NamespaceFinalizersRemaining',
  'NamespaceDeletionContentFailure',
  'NamespaceContentRemaining',
  'NamespaceDeletionDiscoveryFailure',
  'NamespaceDeletionGroupVersionParsingFailure',
] as const

/** Characters of what the namespace controller says. */
const longest = 200

/** Returns what holds a namespace that is being deleted, in the words of its controller; undefined: nothing that it told. */
export function whatHolds({ status }: Namespace): string | undefined {
  for (const type of deletionConditions) {
    const condition = status?.conditions?.find(each => each.type === type && each.status === 'True')
    if (condition?.message) return shortened(condition.message, longest)
  }
  return undefined
}

/** Returns a sentence about a namespace that is being deleted, with what holds it. */
export function beingDeleted(namespace: Namespace): string {
  const holds = whatHolds(namespace)
  const sentence = `Namespace "${namespace.metadata.name}" is being deleted`
  return holds === undefined ? `${sentence}.` : `${sentence}, and the cluster says: ${holds}`
}

/** Whether the operator made the namespace for the same use as `wanted`. */
export function isMadeFor({ metadata }: KubernetesObject, wanted: KubernetesObject): boolean {
  const own = metadata.labels ?? {}
  const asked = wanted.metadata.labels ?? {}
  const names = [labels.managedBy, labels.placement, labels.instanceUid]
  const sameEvent = asked[labels.placement] === 'Instance' || own[labels.event] === asked[labels.event]
  return isManaged(metadata) && sameEvent && names.every(name => own[name] === asked[name])
}

/** Since when no instance uses the namespace of an event, in epoch milliseconds; undefined: it is not marked as unused. */
export function unusedSinceMs({ metadata }: KubernetesObject): number | undefined {
  const since = unusedSince(metadata)
  return since === undefined ? undefined : Date.parse(since) || 0
}

/** Whether the operator made the namespace, for the instances of an event. */
export function isOfEvent({ metadata }: KubernetesObject): boolean {
  return isManaged(metadata) && metadata.labels?.[labels.placement] === 'Event'
}
