import type { ChallengeInstance, Child } from '../../crd/challenge-instance.ts'
import { isWorkload } from '../../crd/child-kinds.ts'
import { labels } from '../../crd/group.ts'
import type { Deployment, Stored } from '../../crd/objects.ts'
import { childKey, keyOfObject } from '../../crd/reference.ts'
import { type Desired, type DesiredChild, hashed } from '../../desired/desired.ts'
import { identity } from '../../desired/identity.ts'
import { closedOwnPolicy, ownPolicy, type PolicySettings } from '../../desired/objects/network-policy.ts'
import { policyRules } from '../../desired/policy-rules.ts'
import type { Observed } from '../pass/observation.ts'

/** Whether a recorded child is the policy that an earlier release made for one instance. */
export function isOwnPolicy({ kind }: Pick<Child, 'kind'>): boolean {
  return kind === 'NetworkPolicy'
}

/** Whether the instance has a policy of its own and a Deployment whose pods rely on it. */
export function mayKeepOwnPolicy({
  instance,
  deployment,
}: Pick<Observed, 'instance' | 'deployment'>): boolean {
  const recorded = instance.status?.children ?? []
  return deployment !== undefined && !needsSharedPolicy(deployment) && recorded.some(isOwnPolicy)
}

/**
 * Whether the Deployment of an instance would stay as it was recorded, and so its pod. Any other change makes a new pod,
 * which gets the shared policy.
 */
export function keepsPod(instance: ChallengeInstance, desired: Desired): boolean {
  const recorded = new Map(instance.status?.children?.map(child => [childKey(child), child.hash]))
  const workload = desired.children.find(({ object }) => isWorkload(object))
  return workload !== undefined && recorded.get(keyOfObject(workload.object)) === workload.hash
}

/** Whether the recorded policy of an instance's own is the closed one of a lockdown; undefined: there is no such policy. */
export function isOwnPolicyClosed(
  instance: Stored<ChallengeInstance>,
  children: readonly Child[],
): boolean | undefined {
  const recorded = children.find(isOwnPolicy)
  return recorded && recorded.hash === closedPolicy(instance, recorded).hash
}

/**
 * Returns the policy of an instance's own that a lockdown closes, or the end of one opens again, in a pass that changes
 * nothing else. A lockdown is for safety, so neither a pause nor an obstacle keeps it from closing. A policy opens by the
 * template that the instance took up; without that one it stays closed.
 * @returns undefined: it is as it should be
 */
export function ownPolicyOfLockdown(
  observed: Pick<Observed, 'instance' | 'deployment' | 'clock' | 'sources'>,
  settings: PolicySettings,
): DesiredChild | undefined {
  const { instance, clock, sources } = observed
  const recorded = instance.status?.children?.find(isOwnPolicy)
  if (recorded === undefined || !mayKeepOwnPolicy(observed)) return undefined
  const closed = closedPolicy(instance, recorded)
  if ((recorded.hash === closed.hash) === clock.lockdown) return undefined
  if (clock.lockdown) return closed
  const spec = sources.at(-1)?.template.spec
  return spec && hashed(ownPolicy(identity(instance, recorded.namespace), policyRules(spec), settings))
}

function closedPolicy(instance: Stored<ChallengeInstance>, { namespace }: Child): DesiredChild {
  return hashed(closedOwnPolicy(identity(instance, namespace)))
}

/**
 * Returns the policy of an instance's own that no pod needs any more. With the strategy `Recreate` a Deployment makes its
 * new pod after the old one is gone, so the new one shows that.
 */
export function unneededOwnPolicy(
  { deployment }: Pick<Observed, 'deployment'>,
  children: readonly Child[],
): Child | undefined {
  if (deployment === undefined || !needsSharedPolicy(deployment)) return undefined
  const { metadata, status } = deployment
  const isCurrent = (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0)
  return isCurrent && (status?.updatedReplicas ?? 0) >= 1 ? children.find(isOwnPolicy) : undefined
}

function needsSharedPolicy({ spec }: Stored<Deployment>): boolean {
  return spec?.template?.metadata?.labels?.[labels.policy] !== undefined
}
