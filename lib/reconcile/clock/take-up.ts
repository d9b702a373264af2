import { takeUp } from '../../clock/kept.ts'
import { clockName, clockStateName } from '../../clock/state.ts'
import type { ConfigMap } from '../../crd/objects.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import type { EventRecorder } from '../../kubernetes/event-recorder.ts'
import type { Log } from '../../telemetry/log.ts'

/** Takes up the organiser's ConfigMap as it is now. */
export type TakeUpClock = (signal: AbortSignal) => Promise<void>

/**
 * Creates the step that checks the organiser's ConfigMap and keeps the last valid state in a ConfigMap of ours, on which all
 * functions act. A malformed or deleted ConfigMap is told by a Kubernetes Event on it. The message says only that something changed. Two steps at the same time are harmless: the forwarder sends
 * a further message until the state follows the ConfigMap.
 */
export function createTakeUpClock({
  cluster,
  namespace,
  recorder,
  now,
  log,
}: {
  cluster: Cluster
  recorder: EventRecorder
  namespace: string
  /** Epoch milliseconds. */
  now: () => number
  log: Log
}): TakeUpClock {
  const configMap = { apiVersion: 'v1', kind: 'ConfigMap', namespace }
  return async signal => {
    const source = await cluster.get<ConfigMap>({ ...configMap, name: clockName }, signal)
    const kept = await cluster.get<ConfigMap>({ ...configMap, name: clockStateName }, signal)
    const taken = takeUp(namespace, source, kept, now())
    if (taken === undefined) return
    if (kept) await cluster.applyOver(kept, taken.kept, signal)
    else await cluster.apply(taken.kept, signal)
    const { problem, sourceUid: uid } = taken
    const fields = { namespace, name: clockName }
    if (problem === undefined) return log.info("organiser's clock taken up", fields)
    log.warn("organiser's clock not followed", { ...fields, problem })
    if (uid === undefined) return
    const regarding = { ...configMap, name: clockName, uid }
    const [reason, action] = source ? ['ClockInvalid', 'TakeUp'] : ['ClockDeleted', 'Keep']
    const event = { regarding, type: 'Warning', reason, action, note: problem, rank: 0 } as const
    await recorder.record(event, now(), signal)
  }
}
