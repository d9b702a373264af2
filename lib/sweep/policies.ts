import { defaultDenyName, isManaged, labels } from '../crd/group.ts'
import type { KubernetesObject, Stored } from '../crd/objects.ts'
import { isMarkedOfLate } from '../desired/unused.ts'
import type { ObjectKey } from '../messages.ts'
import { isStandingPolicyName } from '../observed/policy-digest.ts'
import type { SweptChild } from './swept-child.ts'
import type { SweptInstance } from './swept-instance.ts'

/** A policy that an object needs, and the instance that the object belongs to. */
export interface PolicyNeed {
  policy: ObjectKey
  neededBy: ObjectKey
}

/** A policy that is absent or changed although something needs it. */
export interface WrongPolicy extends PolicyNeed {
  /** Undefined: the policy is absent. */
  found: SweptChild | undefined
}

/**
 * Returns the shared policy that selects a pod, or the pod of a Deployment. A ReplicaSet does not count: one without pods
 * stays behind and names the policy of earlier days.
 */
export function policyNeed({ kind, metadata }: Stored<KubernetesObject>): PolicyNeed | undefined {
  const own = metadata.labels ?? {}
  const name = own[labels.policy]
  const [namespace, instance] = [own[labels.instanceNamespace], own[labels.instance]]
  if (!['Pod', 'Deployment'].includes(kind) || !name || !namespace || !instance) return undefined
  return {
    policy: { namespace: metadata.namespace, name },
    neededBy: { namespace, name: instance },
  }
}

/** Returns the default-deny policies that instances need, one need of each namespace in which something of them is. */
export function defaultDenyNeeds(instances: Iterable<SweptInstance>): PolicyNeed[] {
  const first = new Map<string, PolicyNeed>()
  for (const { namespace: own, name, children } of instances)
    for (const { namespace } of children.values())
      if (!first.has(namespace))
        first.set(namespace, {
          policy: { namespace, name: defaultDenyName },
          neededBy: { namespace: own, name },
        })
  return [...first.values()]
}

/** Returns each policy once that something needs and that is absent or changed. */
export function wrongPolicies(children: readonly SweptChild[], needs: readonly PolicyNeed[]): WrongPolicy[] {
  const policies = new Map(children.filter(isPolicy).map(each => [keyOf(each.metadata), each]))
  const wrong = new Map<string, WrongPolicy>()
  for (const need of needs) {
    const key = keyOf(need.policy)
    const found = policies.get(key)
    if (found?.intact !== true && !wrong.has(key)) wrong.set(key, { ...need, found })
  }
  return [...wrong.values()]
}

/**
 * Returns the shared policies that nothing needs. One that was marked as unused is left out until it has been unused for
 * `unusedMs`. Policies have to be read before the pods and Deployments that need them.
 */
export function unusedPolicies(
  children: readonly SweptChild[],
  needs: readonly PolicyNeed[],
  now: number,
): SweptChild[] {
  const needed = new Set(needs.map(({ policy }) => keyOf(policy)))
  return children
    .filter(({ metadata }) => metadata.labels?.[labels.policy] === metadata.name)
    .filter(each => isPolicy(each) && isManaged(each.metadata))
    .filter(({ metadata }) => !needed.has(keyOf(metadata)) && !isMarkedOfLate(metadata, now))
}

function isPolicy({ kind, metadata }: SweptChild): boolean {
  return kind === 'NetworkPolicy' && isStandingPolicyName(metadata.name)
}

function keyOf({ namespace, name }: ObjectKey): string {
  return `${namespace}/${name}`
}
