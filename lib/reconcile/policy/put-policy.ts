import { annotations } from '../../crd/group.ts'
import type { Named, NetworkPolicy, Stored } from '../../crd/objects.ts'
import { referenceTo } from '../../crd/reference.ts'
import { unusedSince } from '../../desired/unused.ts'
import { OperatorError } from '../../errors.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import { isSamePolicy } from '../../observed/policy-digest.ts'
import { removeAnnotation, sameVersion } from '../json-patch.ts'

/** The number of tries. Each one fails only if another client deletes or changes the policy in between. */
const tries = 4

/**
 * Makes sure that a policy that instances share exists and says what it should. One that exists costs two calls, and one
 * more if it is another one: a lockdown closes many policies. The mark
 * of an unused one is taken off, so nobody who has read the mark deletes the policy: a deletion names the version that was
 * read.
 */
export async function putPolicy(
  cluster: Cluster,
  policy: Named<NetworkPolicy>,
  signal: AbortSignal,
): Promise<'created' | 'configured' | 'unchanged'> {
  const reference = referenceTo(policy)
  for (let tried = 0; tried < tries; tried++) {
    if ((await cluster.create(policy, signal)) !== 'exists') return 'created'
    const existing = await cluster.get<NetworkPolicy>(reference, signal)
    const unmarked = existing && (await withoutMark(cluster, existing, signal))
    if (unmarked === undefined) continue
    if (isSamePolicy(unmarked, policy)) return unmarked === existing ? 'unchanged' : 'configured'
    if ((await configure(cluster, unmarked, policy, signal)) === 'conflict') continue
    return 'configured'
  }
  const { namespace, name } = reference
  const message = `NetworkPolicy ${namespace}/${name} came and went, or was changed, while it was ensured.`
  throw new OperatorError('ClusterUnavailable', message)
}

/**
 * A spec is ours whole, so it is replaced in one write. A policy whose labels or rules were changed is applied, which costs
 * another write where we have created it or somebody else has written to it.
 */
async function configure(
  cluster: Cluster,
  existing: Stored<NetworkPolicy>,
  policy: Named<NetworkPolicy>,
  signal: AbortSignal,
): Promise<'configured' | 'conflict'> {
  const { spec } = policy
  if (!isSamePolicy({ ...existing, spec }, policy)) {
    await cluster.applyOver(existing, policy, signal)
    return 'configured'
  }
  const operations = [sameVersion(existing), { op: 'replace', path: '/spec', value: spec } as const]
  const patched = await cluster.patchJson<NetworkPolicy>(referenceTo(existing), operations, signal)
  return patched === 'conflict' || patched === undefined ? 'conflict' : 'configured'
}

/** @returns the policy as it was given if it has no mark; undefined if it is gone or was changed meanwhile */
async function withoutMark(
  cluster: Cluster,
  existing: Stored<NetworkPolicy>,
  signal: AbortSignal,
): Promise<Stored<NetworkPolicy> | undefined> {
  if (unusedSince(existing.metadata) === undefined) return existing
  const operations = [sameVersion(existing), removeAnnotation(annotations.unusedSince)]
  const patched = await cluster.patchJson<NetworkPolicy>(referenceTo(existing), operations, signal)
  return patched === 'conflict' ? undefined : patched
}
