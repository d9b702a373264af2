import type { KubernetesObject } from '../crd/objects.ts'
import { OperatorError } from '../errors.ts'
import type { Cluster } from '../kubernetes/cluster.ts'

/** Sees to it that a workload namespace has its standing default-deny policy before the first workload. */
export type EnsureIsolation = (namespace: string, doubted: boolean, signal: AbortSignal) => Promise<void>

/**
 * How long an ensured policy is trusted: two calls per namespace and process in this time, none per instance.
 * A policy that goes missing in between is noticed by the sweep, which doubts it.
 */
const trustMs = 300_000

/** Namespaces remembered at most: with placement `Instance` there can be one for each. */
const memoryLimit = 1_000

export function isolationKeeper(
  cluster: Cluster,
  defaultDeny: (namespace: string) => KubernetesObject,
  now: () => number,
): EnsureIsolation {
  const ensured = new Map<string, { uid: string; until: number }>()
  const underWay = new Map<string, Promise<void>>()

  async function ensure(namespace: string, doubted: boolean, signal: AbortSignal): Promise<void> {
    const found = await cluster.getMetadata({ apiVersion: 'v1', kind: 'Namespace', name: namespace }, signal)
    if (found?.metadata.deletionTimestamp !== undefined || found === undefined)
      throw new OperatorError(
        'NamespaceStuck',
        `Namespace "${namespace}" is being deleted or does not exist.`,
      )
    const uid = found.metadata.uid ?? ''
    if (doubted || ensured.get(namespace)?.uid !== uid) await put(defaultDeny(namespace), signal)
    if (ensured.size >= memoryLimit) ensured.clear()
    ensured.set(namespace, { uid, until: now() + trustMs })
  }

  async function put(policy: KubernetesObject, signal: AbortSignal): Promise<void> {
    if ((await cluster.create(policy, signal)) !== 'exists') return
    const { namespace = '', name = '' } = policy.metadata
    const existing = await cluster.get(
      { apiVersion: policy.apiVersion, kind: policy.kind, namespace, name },
      signal,
    )
    if (existing) await cluster.applyOver(existing, policy, signal)
  }

  return async (namespace, doubted, signal) => {
    if (!doubted && (ensured.get(namespace)?.until ?? 0) > now()) return
    const running = underWay.get(namespace)
    if (running && !doubted) return running
    const started = ensure(namespace, doubted, signal).finally(() => underWay.delete(namespace))
    underWay.set(namespace, started)
    return started
  }
}
