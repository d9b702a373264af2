import type { ChallengeInstance } from '../../crd/challenge-instance.ts'
import type { Stored } from '../../crd/objects.ts'
import { referenceTo } from '../../crd/reference.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'

/** Deletes an instance whose time is over, in the version that was read. */
export async function expire(
  cluster: Pick<Cluster, 'delete'>,
  instance: Stored<ChallengeInstance>,
  signal: AbortSignal,
): Promise<'ended' | 'overtaken'> {
  const { uid, resourceVersion } = instance.metadata
  const result = await cluster.delete(referenceTo(instance), { uid, resourceVersion }, signal)
  return result === 'conflict' ? 'overtaken' : 'ended'
}
