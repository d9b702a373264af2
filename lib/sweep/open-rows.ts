import type { OperatorConfig } from '../config/operator.ts'
import { operatorError } from '../errors.ts'
import type { Cluster } from '../kubernetes/cluster.ts'
import type { OpenRow, Store } from '../store/store.ts'
import type { Log } from '../telemetry/log.ts'

interface RowsDependencies {
  cluster: Pick<Cluster, 'uid'>
  store: Pick<Store, 'openRows'>
  config: Pick<OperatorConfig, 'namespaces'>
  log: Log
}

/**
 * Returns undefined if the database is away, or if the cluster's uid cannot be read, without which the owner of a row is
 * not known. The sweep then compares the objects of the cluster only.
 */
export async function openRowsByUid(
  { cluster, store, config, log }: RowsDependencies,
  signal: AbortSignal,
): Promise<Map<string, OpenRow> | undefined> {
  try {
    const rows = new Map<string, OpenRow>()
    const scope = { cluster: await cluster.uid(signal), namespaces: config.namespaces }
    for await (const page of store.openRows(scope, signal)) for (const row of page) rows.set(row.uid, row)
    return rows
  } catch (thrown) {
    signal.throwIfAborted()
    log.warn('sweep goes on without the rows', { error: operatorError(thrown) })
    return undefined
  }
}
