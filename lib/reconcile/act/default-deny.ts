import { remember } from '../../bounded-cache.ts'
import type { Named, NetworkPolicy } from '../../crd/objects.ts'
import { referenceTo } from '../../crd/reference.ts'
import { OperatorError } from '../../errors.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'

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
 * How long an ensured policy is trusted, in milliseconds: two calls per namespace and process in this time, none per
 * instance. The sweep notices a policy that goes missing in between and asks for a recheck.
 */
const trustMs = 300_000

/** The most namespaces that are remembered: placement `Instance` can use one for each instance. */
const memoryLimit = 1_000

export function createDefaultDenyGuard(
  cluster: Cluster,
  defaultDeny: (namespace: string) => Named<NetworkPolicy>,
  now: () => number,
): EnsureDefaultDeny {
  const ensured = new Map<string, { uid: string; until: number }>()
  const underWay = new Map<string, Promise<void>>()

  async function ensure(namespace: string, recheck: boolean, signal: AbortSignal): Promise<void> {
    const found = await cluster.getMetadata({ apiVersion: 'v1', kind: 'Namespace', name: namespace }, signal)
    if (found === undefined || found.metadata.deletionTimestamp !== undefined)
      throw new OperatorError(
        'NamespaceStuck',
        `Namespace "${namespace}" is being deleted or does not exist.`,
      )
    const { uid } = found.metadata
    if (recheck || ensured.get(namespace)?.uid !== uid) await put(defaultDeny(namespace), signal)
    remember(ensured, memoryLimit, namespace, { uid, until: now() + trustMs })
  }

  async function put(policy: Named<NetworkPolicy>, signal: AbortSignal): Promise<void> {
    if ((await cluster.create(policy, signal)) !== 'exists') return
    const existing = await cluster.get(referenceTo(policy), signal)
    if (existing) await cluster.applyOver(existing, policy, signal)
  }

  return async (namespace, { recheck }, signal) => {
    if (!recheck && (ensured.get(namespace)?.until ?? 0) > now()) return
    const running = underWay.get(namespace)
    if (running && !recheck) return running
    const started = ensure(namespace, recheck, signal).finally(() => underWay.delete(namespace))
    underWay.set(namespace, started)
    return started
  }
}
