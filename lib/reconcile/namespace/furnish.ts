import type { PlacementSettings } from '../../config/placement.ts'
import type { Placement } from '../../crd/challenge-template.ts'
import { isManaged } from '../../crd/group.ts'
import { defaultDeny } from '../../desired/objects/default-deny.ts'
import { limitRange, namespaceDefaultsName } from '../../desired/objects/limit-range.ts'
import { resourceQuota } from '../../desired/objects/resource-quota.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import { putPolicy } from '../policy/put-policy.ts'
import { putStanding } from './standing-object.ts'

export interface ToFurnish {
  name: string
  placement: Exclude<Placement, 'Shared'>
  settings: Pick<PlacementSettings, 'eventQuota'>
  /** It was made just now, so there is nothing in it to be removed. */
  made: boolean
}

/** Gives a namespace that the operator made what it has once, and takes away a quota that the settings ask for no more. */
export async function furnish(
  cluster: Cluster,
  { name, placement, settings: { eventQuota }, made }: ToFurnish,
  signal: AbortSignal,
): Promise<void> {
  const quota = placement === 'Event' && eventQuota ? [resourceQuota(name, eventQuota)] : []
  const standing = [limitRange(name), ...quota].map(object => putStanding(cluster, object, signal))
  const put = [putPolicy(cluster, defaultDeny(name), signal), ...standing]
  const mayHaveQuota = placement === 'Event' && quota.length === 0 && !made
  await Promise.all(mayHaveQuota ? [...put, removeQuota(cluster, name, signal)] : put)
}

async function removeQuota(cluster: Cluster, namespace: string, signal: AbortSignal): Promise<void> {
  const reference = { apiVersion: 'v1', kind: 'ResourceQuota', namespace, name: namespaceDefaultsName }
  const found = await cluster.getMetadata(reference, signal)
  if (found && isManaged(found.metadata)) await cluster.delete(reference, { uid: found.metadata.uid }, signal)
}
