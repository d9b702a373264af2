import type { Named, NetworkPolicy } from '../../crd/objects.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import { policyDigest } from '../../observed/policy-digest.ts'
import { createTrust } from '../act/trust.ts'
import { putPolicy } from './put-policy.ts'

/**
 * Makes sure that a shared policy exists before the first pod that needs it. `templateUid`: of the template that the pod is
 * built from. `recheck`: asks the cluster even if the policy was ensured a short time ago.
 */
export type EnsureSharedPolicy = (
  policy: Named<NetworkPolicy>,
  options: { templateUid: string; recheck: boolean },
  signal: AbortSignal,
) => Promise<void>

/**
 * Creates a guard that asks once for each policy and process, and again after `trustMs`. An instance whose policy is known
 * costs no call. The sweep deletes a policy only after it was unused for longer than the trust (`unusedMs`).
 *
 * What is remembered counts for one content and for one template. Changed settings are other content. A namespace that was
 * deleted and made again has lost its policies, and its template has another uid, so the memory does not count there.
 * @param now epoch milliseconds
 */
export function createSharedPolicyGuard(cluster: Cluster, now: () => number): EnsureSharedPolicy {
  const trust = createTrust(now)

  return async (policy, { templateUid, recheck }, signal) => {
    const { namespace, name } = policy.metadata
    const key = [namespace, name, templateUid, policyDigest(policy)].join(' ')
    await trust(key, { recheck }, () => putPolicy(cluster, policy, signal))
  }
}
