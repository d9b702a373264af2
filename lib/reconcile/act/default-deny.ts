import type { Named, NetworkPolicy } from '../../crd/objects.ts'
import { OperatorError } from '../../errors.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import { putPolicy } from '../policy/put-policy.ts'
import { createTrust } from './trust.ts'

/**
 * Makes sure that a workload namespace has its standing default-deny policy before its first workload.
 * `recheck`: puts the policy back even if it was ensured a short time ago.
 */
export type EnsureDefaultDeny = (
  namespace: string,
  options: { recheck: boolean },
  signal: AbortSignal,
) => Promise<void>

/**
 * An ensured policy is trusted for a while: two calls per namespace and process in this time, none per instance. The
 * forwarder notices a policy that goes missing in between.
 */
export function createDefaultDenyGuard(
  cluster: Cluster,
  defaultDeny: (namespace: string) => Named<NetworkPolicy>,
  now: () => number,
): EnsureDefaultDeny {
  const trust = createTrust(now)

  return async (namespace, { recheck }, signal) => {
    await trust(namespace, { recheck }, async ensuredUid => {
      const reference = { apiVersion: 'v1', kind: 'Namespace', name: namespace }
      const found = await cluster.getMetadata(reference, signal)
      if (found === undefined || found.metadata.deletionTimestamp !== undefined)
        throw new OperatorError(
          'NamespaceStuck',
          `Namespace "${namespace}" is being deleted or does not exist.`,
        )
      const { uid } = found.metadata
      if (recheck || ensuredUid !== uid) await putPolicy(cluster, defaultDeny(namespace), signal)
      return uid
    })
  }
}
