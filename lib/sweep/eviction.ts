import { labels } from '../crd/group.ts'
import type { KubernetesObject, Stored } from '../crd/objects.ts'
import { isInUse } from '../observed/activity.ts'
import { isKeptByUs, isKeptFromEviction } from '../observed/eviction.ts'
import { idleAfterOf, isRunning, shortestTimeoutMs, type UseSeen } from './idle.ts'
import { type Mismatch, mismatch } from './mismatch.ts'
import type { SweptInstance } from './swept-instance.ts'

/** A pod that is kept from eviction. */
export interface KeptPod {
  name: string
  /** Somebody else keeps it, so it is not this operator's to give free. */
  byOthers?: true
}

/** The pods that are kept from eviction, by the uid of their instance. */
export type KeptPods = ReadonlyMap<string, KeptPod>

type Use = Pick<UseSeen, 'rows' | 'templates' | 'idleMillicores' | 'now'>

/** Returns the pods of a list that are kept. Objects of other kinds never are. */
export function keptPods(listed: readonly Stored<KubernetesObject>[]): KeptPods {
  const kept = new Map<string, KeptPod>()
  for (const each of listed) {
    const uid = each.metadata.labels?.[labels.instanceUid]
    const stays = each.metadata.deletionTimestamp === undefined
    const { name } = each.metadata
    if (uid !== undefined && stays && isKeptFromEviction(each))
      kept.set(uid, isKeptByUs(each) ? { name } : { name, byOthers: true })
  }
  return kept
}

/** Whether the pod of any instance has to be kept. */
export function anyInUse(instances: Iterable<SweptInstance>, use: Use): boolean {
  return [...instances].some(each => isUsed(each, use) === true)
}

/** Returns the instances whose pod is not kept from eviction and has to be, or the other way round. */
export function wronglyKept(instances: Iterable<SweptInstance>, kept: KeptPods, use: Use): Mismatch[] {
  return [...instances]
    .filter(each => {
      const isToKeep = isUsed(each, use)
      const known = kept.get(each.uid)
      if (isToKeep === undefined) return false
      return isToKeep ? known?.name !== each.podName : known !== undefined && !known.byOthers
    })
    .map(each => mismatch(each, 'idle'))
}

/** The pods that are kept after the passes of messages that were sent. Pods that are gone are forgotten. */
export function keptAfter(
  instances: Iterable<SweptInstance>,
  kept: KeptPods,
  { sent, use }: { sent: readonly Mismatch[]; use: Use },
): KeptPods {
  const changed = new Set(sent.map(({ key }) => key.uid))
  const after = new Map<string, KeptPod>()
  for (const each of instances) {
    const { uid, podName } = each
    const isToKeep = changed.has(uid) ? isUsed(each, use) : undefined
    const ours = isToKeep && podName !== undefined ? { name: podName } : undefined
    const now = isToKeep === undefined ? kept.get(uid) : ours
    if (now !== undefined && hasPod(each)) after.set(uid, now)
  }
  return after
}

/**
 * Whether players use an instance. Where there is a timeout, the end of the use is its hibernation, and a source that fell
 * silent for many at once ends nothing.
 * @returns undefined: the pod stays as it is
 */
function isUsed(instance: SweptInstance, { rows, templates, idleMillicores, now }: Use): boolean | undefined {
  if (!hasPod(instance)) return undefined
  const { uid, activity } = instance
  const inDatabase = rows.get(uid)?.lastActiveAt
  const latest = {
    at: Math.min(now, Math.max(activity.at, inDatabase ?? 0)),
    reported: activity.reported || inDatabase !== undefined,
  }
  // No timeout is shorter, so the templates need not be known for this.
  if (isInUse(latest, shortestTimeoutMs, now)) return true
  const idleAfter = idleAfterOf(instance, { templates, idleMillicores })
  if (idleAfter === undefined) return undefined
  if (isInUse(latest, idleAfter.ms, now)) return true
  return idleAfter.ms === undefined ? false : undefined
}

function hasPod(instance: SweptInstance): boolean {
  return isRunning(instance) && instance.podName !== undefined
}
