import { isWatchedKind } from '../crd/child-kinds.ts'
import { labels } from '../crd/group.ts'
import type { KubernetesObject, Stored } from '../crd/objects.ts'
import { keyOfObject } from '../crd/reference.ts'
import { usualDeadlineSeconds } from '../desired/objects/deployment.ts'
import { warnedAt } from '../lifetime.ts'
import type { Cause, InstanceKey } from '../messages.ts'
import { isSameVersion } from '../observed/child-version.ts'
import { pausedUntil } from '../observed/repairs.ts'
import { waitsForDate, waitsForTimer } from '../reason-rules.ts'
import type { OpenRow } from '../store/store.ts'
import type { SweptChild } from './swept-child.ts'
import type { RecordedChild, SweptInstance } from './swept-instance.ts'

/** A difference between what is recorded and what is observed. The instance with this key needs a pass. */
export interface Mismatch {
  key: InstanceKey
  cause: Cause
  /** The version of the object that differs; undefined if it is gone. */
  resourceVersion: string | undefined
  /** Where the workload of an instance that is gone lies, if that is another namespace than its own. */
  workloadNamespace?: string | undefined
  /** How many passes in a row have ended in a wait already; see `ChangeMessage`. */
  waits?: number
}

/**
 * An instance that changed within this time is left out: a pass takes well under it, so a younger difference is likely
 * to be the work of a pass that still runs. In milliseconds.
 */
const graceMs = 10_000

/** A teardown that takes longer than this is enqueued again. In milliseconds. */
const teardownMs = 60_000

/** Returns open rows whose instance is gone, and instances whose row is missing or differs, the soonest end first. */
export function rowMismatches(
  rows: ReadonlyMap<string, OpenRow>,
  instances: ReadonlyMap<string, SweptInstance>,
  now: number,
): Mismatch[] {
  const gone = [...rows.values()].filter(row => !instances.has(row.uid))
  const wrong = [...instances.values()].filter(
    instance =>
      instance.synced && unchangedForGrace(instance, now) && !rowMatches(rows.get(instance.uid), instance),
  )
  return [
    ...gone.map(row => orphan(keyOf(row), row.workloadNamespace ?? row.namespace, undefined)),
    ...wrong.toSorted(byEnd).map(drift),
  ]
}

function byEnd(one: SweptInstance, other: SweptInstance): number {
  const { expiresAt: first = Number.MAX_VALUE } = one
  const { expiresAt: second = Number.MAX_VALUE } = other
  return first - second
}

/**
 * How long the forwarder has to end an instance, in milliseconds. It sends no more ends than the cluster marks, the soonest
 * one first, and a sweep in the midst of many would put all the others into the queue.
 */
const endGraceMs = 5_000

/**
 * Returns instances whose time is over and that the forwarder's clock has not ended.
 * @param sinceMs milliseconds since the last sweep
 */
export function overdue(instances: Iterable<SweptInstance>, now: number, sinceMs: number): Mismatch[] {
  return [...instances]
    .filter(
      ({ expiresAt, ...instance }) =>
        mayAct(instance) && ageThresholdCrossed(now - (expiresAt ?? now), endGraceMs, sinceMs),
    )
    .map(instance => mismatch(instance, 'expiry'))
}

/** Returns for how long the instance that is most overdue should have been gone, in milliseconds; 0 if none is overdue. */
export function longestOverdueMs(instances: Iterable<SweptInstance>, now: number): number {
  let longest = 0
  for (const { expiresAt, ...instance } of instances)
    if (expiresAt !== undefined && mayAct(instance)) longest = Math.max(longest, now - expiresAt)
  return longest
}

/**
 * Returns instances whose end is near and of which the platform was not warned.
 * @param sinceMs milliseconds since the last sweep
 */
export function unwarned(
  instances: Iterable<SweptInstance>,
  warnMinutes: number,
  { now, sinceMs }: { now: number; sinceMs: number },
): Mismatch[] {
  return [...instances]
    .filter(({ expiresAt, warnedOf, ...instance }) => {
      const due = warnedAt(expiresAt, warnMinutes)
      if (due === undefined || warnedOf === expiresAt || !mayAct(instance)) return false
      return ageThresholdCrossed(now - due, 1, sinceMs)
    })
    .map(instance => mismatch(instance, 'changed'))
}

/**
 * Returns instances whose template has opened and that the forwarder's clock has not started.
 * @param sinceMs milliseconds since the last sweep
 */
export function opened(instances: Iterable<SweptInstance>, now: number, sinceMs: number): Mismatch[] {
  return [...instances]
    .filter(
      ({ availableFrom, ...instance }) =>
        mayAct(instance) && ageThresholdCrossed(now - (availableFrom ?? now), 1, sinceMs),
    )
    .map(instance => mismatch(instance, 'changed'))
}

/** Whether a pass would carry out what is due at a date. During a pause it waits, and `resumed` finds the end of the pause. */
function mayAct({ reason, deletingSince }: Pick<SweptInstance, 'reason' | 'deletingSince'>): boolean {
  return deletingSince === undefined && reason !== 'Paused'
}

/** Returns instances whose pause has ended and that no pass has taken up since. Nothing was acted on during the pause. */
export function resumed(instances: Iterable<SweptInstance>): Mismatch[] {
  return [...instances]
    .filter(instance => instance.resumed && instance.deletingSince === undefined)
    .map(instance => mismatch(instance, 'changed'))
}

/**
 * Returns instances whose deletion does not come to an end.
 * @param sinceMs milliseconds since the last sweep
 */
export function slowTeardowns(instances: Iterable<SweptInstance>, now: number, sinceMs: number): Mismatch[] {
  return [...instances]
    .filter(({ deletingSince }) => ageThresholdCrossed(now - (deletingSince ?? now), teardownMs, sinceMs))
    .map(drift)
}

/**
 * A new instance without a status counts in every sweep for this long, in milliseconds. After that its passes are likely to
 * fail before they have written one, and wait for their timers. Each message of a sweep would begin another series of them.
 */
const newMs = 120_000

/**
 * Returns instances that no pass has taken up although the forwarder must have sent a message about them: new ones, which have
 * no status, and those that are marked for deletion, edited, or not so new any more, in ever fewer sweeps.
 * @param sinceMs milliseconds since the last sweep
 */
export function unsent(instances: Iterable<SweptInstance>, now: number, sinceMs: number): Mismatch[] {
  const isLate = (since: number) => ageThresholdCrossed(now - since, graceMs, sinceMs)
  const isNew = (age: number) => age >= graceMs && age < newMs
  return [...instances].flatMap(instance => {
    const { observed, deletingSince, changedAt, phase } = instance
    if (deletingSince !== undefined)
      return phase !== 'Terminating' && isLate(deletingSince) ? [mismatch(instance, 'deleted')] : []
    const isUntouched = phase === undefined
    const isDue = (isUntouched && isNew(now - changedAt)) || isLate(changedAt)
    return (isUntouched || !observed) && isDue ? [mismatch(instance, 'changed')] : []
  })
}

/**
 * Returns whether an age has reached `first`, or has doubled again, within the last `sinceMs`. A condition that lasts may
 * wait in a queue that is long already. A message for it in every sweep would make the queue longer still.
 */
function ageThresholdCrossed(age: number, first: number, sinceMs: number): boolean {
  if (age < first) return false
  const before = age - sinceMs
  return before < first || Math.floor(Math.log2(age / first)) > Math.floor(Math.log2(before / first))
}

/**
 * Returns instances that a lost message or timer may have left behind: their spec is not observed, their row is not
 * written, they wait for a timer, a child is contested, their phase flapped and is not told yet, or they make no progress
 * for longer than a Deployment usually may. Without a forwarder an instance becomes Ready through the last of these.
 */
export function needsRecheck(instances: Iterable<SweptInstance>, now: number): Mismatch[] {
  return [...instances]
    .filter(
      instance =>
        unchangedForGrace(instance, now) &&
        (!instance.observed ||
          !instance.synced ||
          isWaiting(instance) ||
          instance.reason === 'Contested' ||
          isHeldTooLong(instance, now) ||
          isWithoutProgress(instance, now)),
    )
    .map(instance =>
      waitsForLong(instance, now) ? { ...drift(instance), waits: longWaits } : drift(instance),
    )
}

/**
 * After so many waits the delay is long, also for a cause that usually passes within moments (`momentWaits`), and its
 * timers meet on one grid. An instance that has waited for ten minutes has a
 * timer already. A message that counted from 0 would start a second series of short waits.
 */
export const longWaits = 33
const longAfterMs = 600_000

function waitsForLong(instance: SweptInstance, now: number): boolean {
  return isWaiting(instance) && now - instance.changedAt > longAfterMs
}

/** Returns instances whose children are missing, changed or not recorded, and owners that are gone. */
export function childMismatches(
  children: readonly SweptChild[],
  instances: ReadonlyMap<string, SweptInstance>,
  now: number,
): Mismatch[] {
  const seen = new Set(children.map(keyOfObject))
  const incomplete = [...instances.values()].filter(
    instance =>
      unchangedForGrace(instance, now) &&
      [...instance.children].some(([key, child]) => !seen.has(key) && isDue(child, now)),
  )
  const wrong = children.flatMap(child => {
    const owner = ownerOf(child)
    if (owner === undefined) return []
    const instance = instances.get(owner.uid)
    // A finalizer of another client may hold a deleted child for long. There is nothing to do about it.
    if (instance === undefined && child.metadata.deletionTimestamp !== undefined) return []
    if (instance === undefined) return [orphanOf(owner, child)]
    const differs = differsFromRecord(child, instance.children.get(keyOfObject(child)), now)
    return differs && unchangedForGrace(instance, now) ? [drift(instance)] : []
  })
  return [...incomplete.map(drift), ...wrong]
}

/**
 * Whether an object is left to this operator: it names no instance, or one in a namespace that is watched. The instance of
 * any other one was not listed, so its absence says nothing. It may be another operator's.
 */
export function isOfWatched(object: KubernetesObject, watched: (namespace: string) => boolean): boolean {
  const { namespace: own = '', labels: given = {} } = object.metadata
  if (given[labels.templateRevision] !== undefined) return watched(own)
  const namespace = given[labels.instanceNamespace]
  return namespace === undefined || watched(namespace)
}

/** Returns the owners of ReplicaSets and pods that are gone. A user has deleted the Deployment without what it made. */
export function goneOwners(
  dependents: readonly DependentOwner[],
  instances: ReadonlyMap<string, SweptInstance>,
): Mismatch[] {
  return dependents
    .filter(({ key }) => !instances.has(key.uid))
    .map(({ key, namespace, resourceVersion }) => orphan(key, namespace, resourceVersion))
}

function orphanOf(key: InstanceKey, { metadata }: SweptChild): Mismatch {
  return orphan(key, metadata.namespace, metadata.resourceVersion)
}

/** @param namespace in which something of the instance is */
function orphan(key: InstanceKey, namespace: string, resourceVersion: string | undefined): Mismatch {
  const elsewhere = namespace === key.namespace ? {} : { workloadNamespace: namespace }
  return { key, cause: 'orphan', resourceVersion, ...elsewhere }
}

/** The instance that a ReplicaSet or pod names in its labels, and the version of that object. */
export interface DependentOwner {
  key: InstanceKey
  namespace: string
  resourceVersion: string
}

/** @returns undefined for an object that names no instance, or that is being deleted already */
export function dependentOwner(object: Stored<KubernetesObject>): DependentOwner | undefined {
  const { deletionTimestamp, resourceVersion, namespace } = object.metadata
  const key = deletionTimestamp === undefined ? ownerOf(object) : undefined
  return key && { key, namespace, resourceVersion }
}

function differsFromRecord(child: SweptChild, recorded: RecordedChild | undefined, now: number): boolean {
  if (recorded === undefined) return true
  return !isSameVersion(recorded.version, child.version) && isDue(recorded, now)
}

/**
 * A child that something else keeps changing counts when its next repair is due. One that the forwarder does not watch
 * counts at once: only a resync sees it, and its pass comes back at the end of the pause.
 */
function isDue({ kind, repairs }: RecordedChild, now: number): boolean {
  return !isWatchedKind({ kind }) || pausedUntil(repairs) <= now
}

/** Returns the key in an object's labels; undefined for an object that instances share. */
function ownerOf({ metadata }: KubernetesObject): InstanceKey | undefined {
  const own = metadata.labels ?? {}
  const uid = own[labels.instanceUid]
  const namespace = own[labels.instanceNamespace]
  const name = own[labels.instance]
  return uid && namespace && name ? { namespace, name, uid } : undefined
}

function rowMatches(row: OpenRow | undefined, instance: SweptInstance): boolean {
  return (
    row !== undefined &&
    row.sequence >= instance.eventSequence &&
    row.phase === instance.phase &&
    row.reason === instance.reason &&
    row.url === instance.url &&
    hasPlaceOf(row, instance) &&
    (row.digest === undefined || !instance.observed || row.digest === instance.rowDigest) &&
    row.platformInStep
  )
}

/** A row without a workload's namespace is of an earlier release. Limits do not count it (`uncounted`), so it is written. */
function hasPlaceOf(row: OpenRow, { workloadNamespace }: SweptInstance): boolean {
  return workloadNamespace === undefined || row.workloadNamespace === workloadNamespace
}

/** An instance with a date in its status waits for no timer. An earlier release has not written the date. */
function isWaiting({ reason, availableFrom }: SweptInstance): boolean {
  if (reason === undefined) return false
  return waitsForTimer(reason) || (waitsForDate(reason) && availableFrom === undefined)
}

/** Whether a phase that flapped is still held back, although the forwarder's clock ought to have had it told. */
function isHeldTooLong({ phaseHeldUntil }: SweptInstance, now: number): boolean {
  return phaseHeldUntil !== undefined && now - phaseHeldUntil > graceMs
}

function isWithoutProgress({ phase, changedAt }: SweptInstance, now: number): boolean {
  return phase === 'Provisioning' && now - changedAt > usualDeadlineSeconds * 1_000
}

export function unchangedForGrace(instance: SweptInstance, now: number): boolean {
  return instance.deletingSince === undefined && now - instance.changedAt > graceMs
}

export function drift(instance: SweptInstance): Mismatch {
  return mismatch(instance, 'drift')
}

export function mismatch(instance: SweptInstance, cause: Cause): Mismatch {
  return { key: keyOf(instance), cause, resourceVersion: instance.resourceVersion }
}

function keyOf({ namespace, name, uid }: InstanceKey): InstanceKey {
  return { namespace, name, uid }
}
