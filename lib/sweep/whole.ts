import { isWorkload } from '../crd/child-kinds.ts'
import { operatorError } from '../errors.ts'
import type { Cluster } from '../kubernetes/cluster.ts'
import type { OpenRow, Store } from '../store/store.ts'
import type { Log } from '../telemetry/log.ts'
import type { SweptInstance } from './swept-instance.ts'

interface Compared {
  rows: ReadonlyMap<string, OpenRow>
  instances: ReadonlyMap<string, SweptInstance>
  /** When the rows were read, in epoch milliseconds. */
  readAt: number
}

/** Returns the instances that run and whose row does not say so: they would not be counted. */
export function uncounted({ rows, instances, readAt }: Compared): SweptInstance[] {
  return [...instances.values()].filter(instance => {
    const { createdAt = 0 } = instance.credited.scope
    if (!runs(instance) || createdAt > readAt - clocksMs) return false
    const row = rows.get(instance.uid)
    return row === undefined || row.phase === 'Idle' || row.workloadNamespace === undefined
  })
}

/** The clocks of API server and sweep may differ by that much. The row of a younger instance may be written just now. */
const clocksMs = 10_000

function runs({ children, phase }: SweptInstance): boolean {
  return phase !== 'Idle' && [...children.values()].some(isWorkload)
}

interface WholenessDependencies {
  cluster: Pick<Cluster, 'uid'>
  store: Pick<Store, 'rowsWholeSince' | 'markRowsWhole'>
  log: Log
}

/**
 * Returns since when the rows are known to be whole, and writes it down when a sweep finds that they are. Until then limits
 * admit nobody. @returns undefined: they are not, or it is not known
 */
export async function wholeSince(
  { cluster, store, log }: WholenessDependencies,
  compared: Compared,
  signal: AbortSignal,
): Promise<number | undefined> {
  try {
    const uid = await cluster.uid(signal)
    const known = await store.rowsWholeSince(uid, signal)
    if (known !== undefined) return known
    const missing = uncounted(compared)
    if (missing.length === 0) return await store.markRowsWhole(uid, signal)
    log.warn('rows are not complete, so limits admit nobody yet', { instances: missing.length })
  } catch (thrown) {
    signal.throwIfAborted()
    log.warn('not known whether the rows are complete', { error: operatorError(thrown) })
  }
  return undefined
}

/** A proxy that is alive has told of everybody who is active by then, in milliseconds. It reports every five minutes. */
const toldAgainMs = 600_000

/** Whether the times of activity in the database can be believed: after a restore they are as old as the backup. */
export function believesActivity(since: number | undefined, now: number): boolean {
  return since !== undefined && now - since >= toldAgainMs
}
