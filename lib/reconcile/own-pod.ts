import type { ChallengeInstance } from '../crd/challenge-instance.ts'
import { labels } from '../crd/group.ts'
import type { Pod, Stored } from '../crd/objects.ts'
import type { Cluster } from '../kubernetes/cluster.ts'

/** The hint of a message may name a predecessor's pod. Its troubles are not those of this instance. */
export async function readOwnPod(
  cluster: Cluster,
  { metadata }: Stored<ChallengeInstance>,
  { namespace, name }: { namespace: string; name: string },
  signal: AbortSignal,
): Promise<Stored<Pod> | undefined> {
  const pod = await cluster.get<Pod>({ apiVersion: 'v1', kind: 'Pod', namespace, name }, signal)
  return pod?.metadata.labels?.[labels.instanceUid] === metadata.uid ? pod : undefined
}
