import { isWorkload } from '../../crd/child-kinds.ts'
import { childKey, keyOfObject } from '../../crd/reference.ts'
import type { Desired, DesiredChild } from '../../desired/desired.ts'
import { childVersion, isSameVersion } from '../../observed/child-version.ts'
import type { Observed, TemplateSource } from './observation.ts'

/**
 * Whether a pass that applies the desired state would change something: it takes up another template, creates or updates a
 * child, repairs one, or removes one. A pass compares with the cluster as much as its causes ask for.
 * @param written a child that is written all the same, and does not count
 */
export function wouldChange(
  observed: Observed,
  { desired, source }: { desired: Desired; source: TemplateSource },
  written?: DesiredChild,
): boolean {
  const { children = [], template } = observed.instance.status ?? {}
  if (template?.revision !== source.revision) return true
  const recorded = new Map(children.map(child => [childKey(child), child]))
  const wanted = new Map(desired.children.map(child => [keyOfObject(child.object), child.hash]))
  // The policy of an instance's own stays for as long as a pod relies on it.
  const surplus = children.filter(child => !wanted.has(childKey(child)) && child.kind !== 'NetworkPolicy')
  if (surplus.length > 0) return true
  if (written) wanted.delete(keyOfObject(written.object))
  return [...wanted].some(([key, hash]) => {
    const child = recorded.get(key)
    return child === undefined || child.hash !== hash || differs(observed, child)
  })
}

type Recorded = NonNullable<NonNullable<Observed['instance']['status']>['children']>[number]

function differs({ deployment, verified }: Observed, child: Recorded): boolean {
  const key = childKey(child)
  if (!isWorkload(child) && !verified.has(key)) return false
  const found = isWorkload(child) ? deployment : verified.get(key)
  return found === undefined || !isSameVersion(child.version, childVersion(found))
}
