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

/**
 * Returns the instances that run and whose row does not say so: they would not be counted. Those that are being deleted are
 * left out: no sweep has their rows written, and after its teardown one may wait for the finalizer of another client for long.
 */
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

function runs({ children, phase, deletingSince }: SweptInstance): boolean {
  return deletingSince === undefined && phase !== 'Idle' && [...children.values()].some(isWorkload)
}

interface WholenessDependencies {
  cluster: Pick<Cluster, 'uid'>
  store: Pick<Store, 'rowsWholeSince' | 'rowsIncompleteForMs' | 'markRowsWhole'>
  log: Log
}

const awaited = 'rows are not complete, so limits admit nobody yet'
const givenUp = 'rows are still not complete, so limits count without them'

/**
 * Milliseconds. A row that is missing for longer cannot be written, and everybody else would wait for it. Rows of ten thousand
 * instances are rebuilt in nine minutes (`rowsPerSecond`).
 */
const longestRebuildMs = 1_200_000

/** Instances that a line of the log names. */
const namedInstances = 5

/**
 * Returns since when the rows are known to be whole, and writes it down when a sweep finds that they are. Until then limits
 * admit nobody, for `longestRebuildMs` at most. @returns undefined: they are not, or it is not known
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
    if (missing.length > 0) {
      const forMs = await store.rowsIncompleteForMs(uid, signal)
      const first = missing.slice(0, namedInstances).map(({ namespace, name }) => `${namespace}/${name}`)
      const isGivenUp = forMs >= longestRebuildMs
      log.warn(isGivenUp ? givenUp : awaited, { instances: missing.length, first })
      if (!isGivenUp) return undefined
    }
    return await store.markRowsWhole(uid, signal)
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
