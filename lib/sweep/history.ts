import type { WatchedNamespaces } from '../crd/namespaces.ts'
import { operatorError } from '../errors.ts'
import type { Cluster } from '../kubernetes/cluster.ts'
import type { Store } from '../store/store.ts'
import type { Log } from '../telemetry/log.ts'

interface HistoryDependencies {
  cluster: Pick<Cluster, 'uid'>
  store: Pick<Store, 'prune'>
  namespaces: WatchedNamespaces
  historyDays: number
  /** Events go to an event bus. Otherwise they are only kept. */
  publishes: boolean
  log: Log
}

/** Deletes a batch of old history. A failure is logged: the next sweep deletes the same. */
export async function pruneHistory(deps: HistoryDependencies, signal: AbortSignal): Promise<void> {
  const { cluster, store, namespaces, historyDays: days, publishes, log } = deps
  try {
    const old = { cluster: await cluster.uid(signal), namespaces, days, unpublished: !publishes }
    const pruned = await store.prune(old, signal)
    if (pruned.events + pruned.rows > 0) log.info('old history deleted', { ...pruned, days })
  } catch (thrown) {
    signal.throwIfAborted()
    log.warn('old history not deleted', { error: operatorError(thrown) })
  }
}
