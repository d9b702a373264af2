import type { KubernetesObject, Named } from '../../crd/objects.ts'
import { referenceTo } from '../../crd/reference.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'

/** Creates what a namespace has once, or puts it back as it was made. */
export async function putStanding(
  cluster: Cluster,
  wanted: Named<KubernetesObject>,
  signal: AbortSignal,
): Promise<void> {
  if ((await cluster.create(wanted, signal)) !== 'exists') return
  const existing = await cluster.get(referenceTo(wanted), signal)
  if (existing) await cluster.applyOver(existing, wanted, signal)
}
