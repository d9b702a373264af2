import { type CreditScope, creditScope } from '../clock/credits.ts'
import type { ChallengeInstance, ChallengeInstanceStatus, Child } from '../crd/challenge-instance.ts'
import { annotations } from '../crd/group.ts'
import type { ObjectMeta, Stored } from '../crd/objects.ts'
import { childKey } from '../crd/reference.ts'
import { epochMs } from '../crd/time.ts'
import type { InstanceKey } from '../messages.ts'
import { type Activity, latestActivity } from '../observed/activity.ts'
import { recordedConfiguration } from '../observed/configuration.ts'
import { phaseChangesOf, phaseHeldUntil } from '../observed/flapping.ts'
import { isPaused } from '../observed/paused.ts'
import { rowDigest } from '../observed/row-digest.ts'
import type { Reason } from '../reasons.ts'

export type RecordedChild = Pick<Child, 'kind' | 'namespace' | 'version' | 'repairs'>

/** The fields of an instance that a sweep compares. Times are epoch milliseconds. */
export interface SweptInstance extends InstanceKey {
  resourceVersion: string
  phase: string | undefined
  reason: Reason | undefined
  url: string | undefined
  podName: string | undefined
  /** The namespace of its workload; undefined: none is placed yet. */
  workloadNamespace: string | undefined
  /** `rowDigest`, as the row of this status has it. */
  rowDigest: string
  /** The number of its last event that the status knows; 0 if it knows none. */
  eventSequence: number
  /** The database row is reported as written. */
  synced: boolean
  /** The status says that the database lacks the row. */
  unsynced: boolean
  /** The status reports the present generation of the spec, whether the instance is paused, and the last `force-sync`. */
  observed: boolean
  /** Its pause has ended, and its status still says that it is paused. */
  resumed: boolean
  deletingSince: number | undefined
  expiresAt: number | undefined
  /** The minutes of credits that the reported end includes, and by what credits choose the instance. */
  credited: { minutes: number; scope: CreditScope }
  /** The end that the platform was warned of. */
  warnedOf: number | undefined
  /** Since when it is hibernated for being idle, in epoch milliseconds. */
  idleSince: number | undefined
  /** The latest activity that the instance itself tells, see `latestActivity`. */
  activity: Activity
  /** The status says that nothing tells of activity. */
  lacksActivitySource: boolean
  /** When the template opens that the instance waits for. */
  availableFrom: number | undefined
  /** When a phase that flaps is told again; undefined if it is not held back. */
  phaseHeldUntil: number | undefined
  /** The time of the last change of a condition, or of the creation. */
  changedAt: number
  templateRef: string
  /** Name of the Secret that keeps the template that it took up. */
  revision: string | undefined
  /** Version of the Secret that its flag comes from, as it was read last; undefined: from none. */
  flagVersion: string | undefined
  /** Hash of the keys that its flag was made with, see `recordedConfiguration`. */
  keys: string | undefined
  /** `childKey` → the child, as `status.children` records it. */
  children: ReadonlyMap<string, RecordedChild>
}

export function sweptInstance(instance: Stored<ChallengeInstance>): SweptInstance {
  const { metadata, spec, status } = instance
  const { namespace, name, uid, resourceVersion } = metadata
  const conditions = status?.conditions ?? []
  const times = [metadata.creationTimestamp, ...conditions.map(each => each.lastTransitionTime)]
  return {
    namespace,
    name,
    uid,
    resourceVersion,
    phase: status?.phase,
    reason: status?.reason,
    url: status?.url,
    podName: status?.podName,
    workloadNamespace: status?.namespace,
    rowDigest: rowDigest({ spec }, status),
    eventSequence: status?.eventSequence ?? 0,
    synced: conditions.some(each => each.type === 'Synced' && each.status === 'True'),
    unsynced: conditions.some(each => each.type === 'Synced' && each.status === 'False'),
    observed: isObserved(metadata, status),
    resumed: status?.reason === 'Paused' && !isPaused(metadata),
    deletingSince: epochMs(metadata.deletionTimestamp),
    expiresAt: epochMs(status?.expiresAt),
    credited: { minutes: status?.creditMinutes ?? 0, scope: creditScope(instance) },
    warnedOf: epochMs(status?.warnedOf),
    idleSince: status?.hibernation?.reason === 'Idle' ? epochMs(status.hibernation.since) : undefined,
    activity: latestActivity({ metadata, status }, undefined, Number.POSITIVE_INFINITY),
    lacksActivitySource: conditions.some(each => each.type === 'IdleDetection' && each.status === 'False'),
    availableFrom: epochMs(status?.availableFrom),
    phaseHeldUntil: status?.reason === 'Flapping' ? heldUntil(status) : undefined,
    changedAt: Math.max(...times.map(time => epochMs(time) ?? 0)),
    templateRef: spec.templateRef,
    revision: status?.template?.revision,
    flagVersion: status?.template?.flagVersion,
    keys: recordedConfiguration(status?.configuration)?.keys,
    children: new Map(
      (status?.children ?? []).map(({ kind, namespace, name, version, repairs }) => [
        childKey({ kind, namespace, name }),
        { kind, namespace, version, ...(repairs && { repairs }) },
      ]),
    ),
  }
}

/**
 * During a pause a pass reports the spec and acts on nothing, so `observedGeneration` and `handledSync` stay behind until
 * the pause goes.
 */
function isObserved(metadata: ObjectMeta, status: ChallengeInstanceStatus | undefined): boolean {
  const reportedPause = status?.reason === 'Paused'
  const wanted = metadata.annotations?.[annotations.forceSync]
  if (!isPaused(metadata))
    return (
      !reportedPause &&
      status?.observedGeneration === metadata.generation &&
      (wanted === undefined || wanted === status?.handledSync)
    )
  const stalled = status?.conditions?.find(each => each.type === 'Stalled')
  return reportedPause && stalled?.observedGeneration === metadata.generation
}

function heldUntil(status: ChallengeInstanceStatus): number {
  const changes = phaseChangesOf(status)
  return (changes && phaseHeldUntil(changes)) ?? 0
}
