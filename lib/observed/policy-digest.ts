import { isOurLabel } from '../crd/child-fields.ts'
import { annotations, defaultDenyName } from '../crd/group.ts'
import type { Named, NetworkPolicy } from '../crd/objects.ts'
import { shortHash } from '../desired/canonical.ts'
import { isPolicyName } from '../desired/identity.ts'
import { defaultDeny } from '../desired/objects/default-deny.ts'
import { type PolicySettings, sharedPolicy } from '../desired/objects/network-policy.ts'
import { rulesOf } from './policy-rules.ts'

/**
 * Returns a digest of what is ours in a policy that instances share: our labels, the rules that it is built from and the
 * spec. A policy that was built and the same one as the API server returns it have the same digest: the server leaves
 * empty lists out.
 */
export function policyDigest({ metadata, spec }: NetworkPolicy): string {
  const ours = Object.entries(metadata.labels ?? {}).filter(([name]) => isOurLabel(name))
  const rules = metadata.annotations?.[annotations.policyRules]
  return shortHash({ labels: Object.fromEntries(ours), rules, spec: withoutEmptyLists(spec) })
}

/** Whether two policies that instances share agree in everything that is ours. */
export function isSamePolicy(one: NetworkPolicy, other: NetworkPolicy): boolean {
  return policyDigest(one) === policyDigest(other)
}

/** Whether a name is that of a policy that instances share. */
export function isStandingPolicyName(name: string): boolean {
  return name === defaultDenyName || isPolicyName(name)
}

/** Returns the digest that a policy that instances share has to have; undefined: nobody can say, since its rules are lost. */
function wantedDigest(policy: Named<NetworkPolicy>, settings: PolicySettings): string | undefined {
  const { namespace, name } = policy.metadata
  if (name === defaultDenyName) return policyDigest(defaultDeny(namespace))
  const rules = rulesOf(policy)
  return rules && policyDigest(sharedPolicy(namespace, rules, settings))
}

/** The most digests that are remembered. A cluster has as many as its templates have different rules. */
const memoryLimit = 1_000

/**
 * Returns a check of whether a policy that instances share is as this configuration builds it. It is quick for policies
 * with the same rules: placement `Instance` has one for each instance.
 */
export function createIntactCheck(settings: PolicySettings): (policy: Named<NetworkPolicy>) => boolean {
  const known = new Map<string, string | undefined>()
  return policy => {
    const { name, annotations: own = {} } = policy.metadata
    const key = `${name} ${own[annotations.policyRules]}`
    if (!known.has(key)) {
      if (known.size >= memoryLimit) known.clear()
      known.set(key, wantedDigest(policy, settings))
    }
    return known.get(key) === policyDigest(policy)
  }
}

/** An empty list of rules, peers or ports means the same as an absent one. An empty selector does not. */
function withoutEmptyLists(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmptyLists)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([, each]) => !(Array.isArray(each) && each.length === 0))
  return Object.fromEntries(entries.map(([key, each]) => [key, withoutEmptyLists(each)]))
}
