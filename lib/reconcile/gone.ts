import type { Cluster } from '../kubernetes/cluster.ts'
import type { Store } from '../store/store.ts'
import { closeRow, dismantle, findOwned } from './finalize.ts'
import { awayMs, type Outcome, type Pass } from './outcome.ts'

/** How soon to look again at the children of a gone instance whose Deployment is still going, in milliseconds. */
const dismantlingMs = 2_000

/**
 * What is left of instances that are gone: rows to close, and children that a stripped finalizer or a restore left
 * behind. Never touches what carries another uid: a successor under the same name is not theirs.
 */
export async function clearGone(
  { cluster, store, random }: { cluster: Cluster; store: Store; random: () => number },
  pass: Pass,
  uids: readonly string[],
  signal: AbortSignal,
): Promise<{ outcome: Outcome; events: number }> {
  let events = 0
  let outcome: Outcome = { kind: 'settled' }
  for (const uid of uids) {
    const key = { namespace: pass.namespace, name: pass.name, uid }
    const left = await findOwned(cluster, key, signal)
    if ((await dismantle(cluster, left, signal)) === 'waiting')
      outcome = { kind: 'requeue', afterMs: dismantlingMs, reason: 'Terminating', counted: false }
    const closed = await closeRow(store, uid, 'deleted', signal)
    if (closed === undefined)
      outcome = {
        kind: 'requeue',
        afterMs: awayMs(pass.waits, random()),
        reason: 'DatabaseUnavailable',
        counted: false,
      }
    events += closed?.events ?? 0
  }
  return { outcome, events }
}
