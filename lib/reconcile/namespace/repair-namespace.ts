import type { OperatorConfig } from '../../config/operator.ts'
import { annotations } from '../../crd/group.ts'
import type { Namespace } from '../../crd/objects.ts'
import { quotaText } from '../../desired/objects/resource-quota.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import type { ChangeMessage } from '../../messages.ts'
import { isOfEvent } from '../../observed/namespace.ts'
import type { Log } from '../../telemetry/log.ts'
import { removeAnnotation, sameVersion, setAnnotation } from '../json-patch.ts'
import { furnish } from './furnish.ts'

/** The namespace of an event that the sweep found with another quota than the settings ask for. */
export type OutdatedNamespace = Pick<ChangeMessage, 'name' | 'uid'>

export type RepairNamespace = (outdated: OutdatedNamespace, signal: AbortSignal) => Promise<void>

interface Repairing {
  cluster: Cluster
  config: Pick<OperatorConfig, 'placement'>
  log: Log
}

/**
 * Creates the step that gives the namespace of an event the quota that is configured, or takes it away.
 *
 * Guarantees: the namespace says which quota it has only when it has it, so a repair that ends in between is repeated. A
 * namespace that the operator did not make is not touched.
 */
export function createRepairNamespace({ cluster, config, log }: Repairing): RepairNamespace {
  return async ({ name, uid }, signal) => {
    const reference = { apiVersion: 'v1', kind: 'Namespace', name }
    const found = await cluster.get<Namespace>(reference, signal)
    if (found?.metadata.uid !== uid || found.metadata.deletionTimestamp !== undefined) return
    if (!isOfEvent(found)) return
    const quota = quotaText(config.placement.eventQuota)
    const before = found.metadata.annotations?.[annotations.eventQuota]
    await furnish(cluster, { name, placement: 'Event', settings: config.placement, made: false }, signal)
    if (before === quota) return
    const note =
      quota === undefined
        ? removeAnnotation(annotations.eventQuota)
        : setAnnotation(found.metadata, annotations.eventQuota, quota)
    await cluster.patchJson(reference, [sameVersion(found), note], signal)
    log.info('quota of an event changed', { namespace: name, before, quota })
  }
}
