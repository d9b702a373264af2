import type { OperatorConfig } from '../../config/operator.ts'
import { placesElsewhere } from '../../config/placement.ts'
import { isWorkload } from '../../crd/child-kinds.ts'
import type { ObjectReference } from '../../crd/objects.ts'
import { ownNamespace, placementOf } from '../../desired/identity.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import type { InstanceKey } from '../../messages.ts'
import type { Reason } from '../../reasons.ts'
import type { Store } from '../../store/store.ts'
import type { Log } from '../../telemetry/log.ts'
import { endOwnNamespace } from '../namespace/own-namespace.ts'
import { momentBackoffMs } from '../pass/backoff.ts'
import { type Outcome, type Pass, type PassResult, requeue, waitOutcome } from '../pass/outcome.ts'
import { type Closed, closeGoneRow, placeInRow } from '../report/database-row.ts'
import { findLeftByDeployment, findOwned, removeChildren } from './remove-children.ts'

/** When to look again at the children of a deleted instance while its Deployment is going, in milliseconds. */
const removingMs = 2_000

interface CleanUp {
  cluster: Cluster
  config: Pick<OperatorConfig, 'placement'>
  store: Store
  random: () => number
  log: Log
}

/** Removes children in every namespace that the workload may have been in, and then the namespace that it had for itself. */
async function removeWhatIsLeft(
  { cluster, config, log }: CleanUp,
  key: InstanceKey,
  told: readonly string[],
  signal: AbortSignal,
): Promise<'waiting' | 'done'> {
  const { allowed, namespacePrefix } = config.placement
  const own = allowed.includes('Instance') ? [ownNamespace(key, namespacePrefix)] : []
  const elsewhere = [...new Set([...told, ...own])].filter(name => name !== key.namespace)
  const existing = await Promise.all(elsewhere.map(name => cluster.getMetadata(namespaceNamed(name), signal)))
  const others = elsewhere.filter((_, index) => existing[index] !== undefined)
  const places = [key.namespace, ...others]
  const owned = await findOwned(cluster, key, places, signal)
  const without = places.filter(place => !owned.some(child => isWorkload(child) && child.namespace === place))
  const left = await Promise.all(without.map(place => findLeftByDeployment(cluster, key, place, signal)))
  const { state } = await removeChildren(cluster, [...owned, ...left.flat()], {}, signal)
  if (state === 'waiting') return state
  const ends = await Promise.all(
    others
      .filter(name => placementOf(key, name) === 'Instance')
      .map(name => endOwnNamespace({ cluster, log }, { name, uid: key.uid }, signal)),
  )
  return ends.every(end => end.state === 'over') ? 'done' : 'waiting'
}

function namespaceNamed(name: string): ObjectReference {
  return { apiVersion: 'v1', kind: 'Namespace', name }
}

/**
 * Cleans up after instances that are gone: closes their rows if they are of this cluster, and removes children that a
 * stripped finalizer or a restored backup left behind, with ReplicaSets and pods that lost their Deployment. An object
 * with another uid in its labels belongs to a successor and is not touched. Where the workload ran is told by the message, or
 * by the row; without the row, and with a message that does not tell, children in another namespace wait for a resync. An
 * operator whose placement is `Shared` only has no rights elsewhere, and looks in the namespace of the instance alone.
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
    const elsewhere = placesElsewhere(deps.config.placement)
    const place = elsewhere ? await placeInRow(deps, key, pass, signal) : {}
    const told = elsewhere ? [...pass.workloadNamespaces, ...(place.namespace ? [place.namespace] : [])] : []
    if ((await removeWhatIsLeft(deps, key, told, signal)) === 'waiting') {
      const { waits } = pass
      const afterMs = momentBackoffMs(removingMs, { waits, random: deps.random() })
      outcome = requeue('Terminating', afterMs)
    }
    const closed = place.failed ? unread(place.failed) : await closeGoneRow(deps, key, pass, signal)
    if (closed.failed) outcome = waitOutcome(closed.failed, pass, deps.random())
    events += closed.events
    wakes.push(...closed.wakes)
  }
  return { outcome, events, wakes }
}

/** The row stays open, so that the next pass learns from it where the workload ran. */
function unread(failed: Reason): Closed {
  return { events: 0, failed, wakes: [] }
}
