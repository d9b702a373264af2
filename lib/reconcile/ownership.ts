import type { ChallengeInstance } from '../crd/challenge-instance.ts'
import { fieldManager, labels } from '../crd/group.ts'
import type { Deployment, KubernetesObject, Service, Stored } from '../crd/objects.ts'

/** Whose a child is that stands under a name we want. */
export type Ownership = 'ours' | 'predecessor' | 'adoptable' | 'foreign'

export function ownershipOf(existing: KubernetesObject, instance: Stored<ChallengeInstance>): Ownership {
  const own = existing.metadata.labels ?? {}
  if (own[labels.managedBy] === fieldManager) {
    const sameKey =
      own[labels.instance] === instance.metadata.name &&
      own[labels.instanceNamespace] === instance.metadata.namespace
    if (!sameKey) return 'foreign'
    return own[labels.instanceUid] === instance.metadata.uid ? 'ours' : 'predecessor'
  }
  return madeByOldOperator(existing, instance.metadata.name) ? 'adoptable' : 'foreign'
}

/** The old Python operator left nothing but `app: <name>` and a container named as the instance. */
function madeByOldOperator(existing: KubernetesObject, name: string): boolean {
  if (existing.metadata.labels?.[labels.app] !== name) return false
  if (existing.kind === 'Deployment') {
    const { selector, template } = (existing as Deployment).spec
    return onlyApp(selector.matchLabels, name) && template.spec.containers.some(each => each.name === name)
  }
  return existing.kind === 'Service' && onlyApp((existing as Service).spec.selector ?? {}, name)
}

/** A Deployment's selector is immutable, so anything but ours could never be brought to the desired state. */
function onlyApp(selector: Record<string, string>, name: string): boolean {
  return Object.keys(selector).length === 1 && selector[labels.app] === name
}
