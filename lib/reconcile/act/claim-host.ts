import type { ChallengeInstance } from '../../crd/challenge-instance.ts'
import type { Stored } from '../../crd/objects.ts'
import { operatorError } from '../../errors.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import type { InstanceKey } from '../../messages.ts'
import type { ClaimedHost } from '../../store/host-claims.ts'
import type { Store } from '../../store/store.ts'
import type { Log } from '../../telemetry/log.ts'
import { databaseShareMs } from '../pass/database-share.ts'
import type { Pass } from '../pass/outcome.ts'

/**
 * Whether an instance may serve a host. `unknown`: the database does not answer, or the cluster's uid cannot be read. The
 * host has a hash of the instance's own uid then, so it is served, and a later pass claims it.
 */
export type HostAnswer =
  | { kind: 'held'; wakes: readonly InstanceKey[] }
  | { kind: 'taken'; holder: InstanceKey; wakes: readonly InstanceKey[] }
  | { kind: 'unknown'; wakes: readonly [] }

interface Claiming {
  cluster: Cluster
  store: Store
  log: Log
}

/**
 * Claims the host of an instance in the database, within the database's share of the pass. The instances in `wakes` have
 * to look again: they go into the result of the pass.
 */
export async function claimHost(
  { cluster, store, log }: Claiming,
  { metadata }: Stored<ChallengeInstance>,
  host: string,
  { waits }: Pick<Pass, 'waits'>,
  signal: AbortSignal,
): Promise<HostAnswer> {
  const { namespace, name, uid, creationTimestamp } = metadata
  try {
    const key = { namespace, name, uid, cluster: await cluster.uid(signal) }
    const share = AbortSignal.any([signal, AbortSignal.timeout(databaseShareMs(waits))])
    return answerOf(await store.claimHost({ ...key, host, createdAt: creationTimestamp }, share))
  } catch (thrown) {
    signal.throwIfAborted()
    log.warn('host not claimed', { namespace, name, uid, host, error: operatorError(thrown) })
    return { kind: 'unknown', wakes: [] }
  }
}

function answerOf(claimed: ClaimedHost): HostAnswer {
  const { wakes } = claimed
  return claimed.held ? { kind: 'held', wakes } : { kind: 'taken', holder: claimed.holder, wakes }
}
