import type { OperatorConfig } from '../config/operator.ts'
import { operatorError } from '../errors.ts'
import type { Cluster } from '../kubernetes/cluster.ts'
import type { OpenRow, Store } from '../store/store.ts'
import type { Log } from '../telemetry/log.ts'

interface RowsDependencies {
  cluster: Pick<Cluster, 'uid'>
  store: Pick<Store, 'openRows' | 'countOpenRows'>
  config: Pick<OperatorConfig, 'namespaces'>
  log: Log
}

/**
 * Returns undefined if the database is away, or if the cluster's uid cannot be read, without which the owner of a row is
 * not known. The sweep then compares the objects of the cluster only.
 *
 * A resync also tells of rows that no sweep on this cluster judges: those of another cluster, which may be gone. A cluster
 * that is new, or a kubeconfig that is wrong, has another uid, so its empty list closes no row.
 */
export async function openRowsByUid(
  { cluster, store, config, log }: RowsDependencies,
  { resync }: { resync: boolean },
  signal: AbortSignal,
): Promise<Map<string, OpenRow> | undefined> {
  try {
    const rows = new Map<string, OpenRow>()
    const scope = { cluster: await cluster.uid(signal), namespaces: config.namespaces }
    for await (const page of store.openRows(scope, signal)) for (const row of page) rows.set(row.uid, row)
    if (resync) {
      const others = (await store.countOpenRows(signal)).filter(each => each.cluster !== scope.cluster)
      for (const { cluster: uid, rows: count } of others)
        log.info('open rows name another cluster, or none; if it is gone: challenge-operator close-rows', {
          cluster: uid ?? 'none',
          rows: count,
        })
    }
    return rows
  } catch (thrown) {
    signal.throwIfAborted()
    log.warn('sweep goes on without the rows', { error: operatorError(thrown) })
    return undefined
  }
}
