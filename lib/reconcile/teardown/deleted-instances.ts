import { isWorkload } from '../../crd/child-kinds.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import type { InstanceKey } from '../../messages.ts'
import type { Store } from '../../store/store.ts'
import type { Log } from '../../telemetry/log.ts'
import { momentBackoffMs } from '../pass/backoff.ts'
import { type Outcome, type Pass, type PassResult, requeue, waitOutcome } from '../pass/outcome.ts'
import { closeGoneRow } from '../report/database-row.ts'
import { findLeftByDeployment, findOwned, removeChildren } from './remove-children.ts'

/** When to look again at the children of a deleted instance while its Deployment is going, in milliseconds. */
const removingMs = 2_000

interface CleanUp {
  cluster: Cluster
  store: Store
  random: () => number
  log: Log
}

/**
 * Cleans up after instances that are gone: closes their rows if they are of this cluster, and removes children that a
 * stripped finalizer or a restored backup left behind, with ReplicaSets and pods that lost their Deployment. An object
 * with another uid in its labels belongs to a successor and is not touched.
 * @param uids of the instances that are gone, all under the name of the pass
 */
export async function cleanUpDeleted(
  deps: CleanUp,
  pass: Pass,
  uids: readonly string[],
  signal: AbortSignal,
): Promise<PassResult> {
  let events = 0
  const wakes: InstanceKey[] = []
  let outcome: Outcome = { kind: 'settled' }
  for (const uid of uids) {
    const key = { namespace: pass.namespace, name: pass.name, uid }
    const owned = await findOwned(deps.cluster, key, signal)
    const left = owned.some(isWorkload)
      ? []
      : await findLeftByDeployment(deps.cluster, key, key.namespace, signal)
    const { state } = await removeChildren(deps.cluster, [...owned, ...left], {}, signal)
    if (state === 'waiting') {
      const { waits } = pass
      const afterMs = momentBackoffMs(removingMs, { waits, random: deps.random() })
      outcome = requeue('Terminating', afterMs)
    }
    const closed = await closeGoneRow(deps, key, pass, signal)
    if (closed.failed) outcome = waitOutcome(closed.failed, pass, deps.random())
    events += closed.events
    wakes.push(...closed.wakes)
  }
  return { outcome, events, wakes }
}
