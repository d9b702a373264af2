import type { ChallengeInstance } from '../../crd/challenge-instance.ts'
import { fieldManager, isManaged, labels } from '../../crd/group.ts'
import type { Deployment, KubernetesObject, Service, Stored } from '../../crd/objects.ts'
import { childKey, keyOfObject } from '../../crd/reference.ts'
import { isAdopting } from '../../observed/adopting.ts'

/** The owner of an object that exists under the name of a child. */
export type Ownership = 'ours' | 'predecessor' | 'adoptable' | 'foreign'

export const kindsOfOldOperator: ReadonlySet<string> = new Set(['Deployment', 'Service'])

/** @param existing the whole object */
export function ownershipOf(
  existing: Stored<KubernetesObject>,
  instance: Stored<ChallengeInstance>,
): Ownership {
  const own = existing.metadata.labels ?? {}
  if (own[labels.instanceUid] === instance.metadata.uid || isRecordedAndOwned(existing, instance))
    return 'ours'
  if (isManaged(existing.metadata)) {
    const sameKey =
      own[labels.instance] === instance.metadata.name &&
      own[labels.instanceNamespace] === instance.metadata.namespace
    if (!sameKey) return 'foreign'
    return 'predecessor'
  }
  return isAdoptable(existing, instance) ? 'adoptable' : 'foreign'
}

/**
 * Returns whether another client has put an object of its own in the place of a recorded child, for example during a
 * pause. The metadata suffice. An object that we wrote to is ours, whatever became of its labels.
 */
export function isReplaced(found: Stored<KubernetesObject>, instance: Stored<ChallengeInstance>): boolean {
  const isWrittenByUs = found.metadata.managedFields?.some(each => each.manager === fieldManager)
  return !isWrittenByUs && ownershipOf(found, instance) !== 'ours'
}

/** Another client may have changed our labels. The owner reference and the record of the child still show the owner. */
function isRecordedAndOwned(
  existing: Stored<KubernetesObject>,
  { metadata, status }: Stored<ChallengeInstance>,
): boolean {
  const owned = existing.metadata.ownerReferences?.some(each => each.uid === metadata.uid) === true
  return owned && status?.children?.some(child => childKey(child) === keyOfObject(existing)) === true
}

/**
 * Returns whether the older operator created the object for this instance. The shape alone does not show it, because
 * `kubectl create deployment` creates the same. So the instance must come from that operator, the object must not be older
 * than the instance, and no child may be recorded under its name: an object in the place of a recorded child has another
 * owner.
 */
function isAdoptable(existing: Stored<KubernetesObject>, instance: Stored<ChallengeInstance>): boolean {
  return (
    isAdopting(instance.status) &&
    createdAt(existing) >= createdAt(instance) &&
    !instance.status?.children?.some(child => childKey(child) === keyOfObject(existing)) &&
    hasShapeOfOldOperator(existing, instance.metadata.name)
  )
}

/** @returns epoch milliseconds */
function createdAt({ metadata }: Stored<KubernetesObject>): number {
  return Date.parse(metadata.creationTimestamp)
}

/** The older operator set the label `app: <name>`, and gave the container the name of the instance. */
function hasShapeOfOldOperator(existing: KubernetesObject, name: string): boolean {
  if (existing.metadata.labels?.[labels.app] !== name) return false
  if (existing.kind === 'Deployment') {
    const { selector, template } = (existing as Deployment).spec
    return onlyApp(selector.matchLabels, name) && template.spec.containers.some(each => each.name === name)
  }
  return existing.kind === 'Service' && onlyApp((existing as Service).spec.selector ?? {}, name)
}

/** The selector of a Deployment is immutable, so a Deployment with another selector cannot get the desired state. */
function onlyApp(selector: Record<string, string>, name: string): boolean {
  return Object.keys(selector).length === 1 && selector[labels.app] === name
}
