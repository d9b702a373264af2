import type { ChallengeInstance } from '../../crd/challenge-instance.ts'
import type { Stored } from '../../crd/objects.ts'
import { referenceTo } from '../../crd/reference.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import { isPaused } from '../../observed/paused.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Observed } from '../pass/observation.ts'

/**
 * Ends an instance again that a restore of etcd brought back after its teardown. Its row is closed and its end was told, so
 * nothing is told once more. During a pause it stays, and the sweep finds it again.
 */
export async function endReturned(
  { cluster, log }: { cluster: Pick<Cluster, 'delete'>; log: Log },
  { instance, clock }: Pick<Observed, 'clock'> & { instance: Stored<ChallengeInstance> },
  signal: AbortSignal,
): Promise<void> {
  const { namespace, name, uid } = instance.metadata
  if (clock.paused || isPaused(instance.metadata)) return
  log.warn('instance had ended, and a restore of etcd brought it back; it ends again', {
    namespace,
    name,
    uid,
  })
  await cluster.delete(referenceTo(instance), { uid }, signal)
}
