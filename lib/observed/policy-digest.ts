import { isOurLabel } from '../crd/child-fields.ts'
import type { NetworkPolicy } from '../crd/objects.ts'
import { shortHash } from '../desired/canonical.ts'

/**
 * Returns a digest of what is ours in a policy that instances share: our labels and the spec. A policy that was built and
 * the same one as the API server returns it have the same digest: the server leaves empty lists out.
 */
export function policyDigest({ metadata, spec }: NetworkPolicy): string {
  const ours = Object.entries(metadata.labels ?? {}).filter(([name]) => isOurLabel(name))
  return shortHash({ labels: Object.fromEntries(ours), spec: withoutEmptyLists(spec) })
}

/** An empty list of rules, peers or ports means the same as an absent one. An empty selector does not. */
function withoutEmptyLists(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmptyLists)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([, each]) => !(Array.isArray(each) && each.length === 0))
  return Object.fromEntries(entries.map(([key, each]) => [key, withoutEmptyLists(each)]))
}
