import type { Child } from '../../crd/challenge-instance.ts'
import { isWatchedKind, isWorkload } from '../../crd/child-kinds.ts'
import { fieldManager } from '../../crd/group.ts'
import type { KubernetesObject, Stored } from '../../crd/objects.ts'
import { childKey, referenceTo } from '../../crd/reference.ts'
import type { DesiredChild } from '../../desired/desired.ts'
import { OperatorError, operatorError } from '../../errors.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import { childVersion, isSameContent, isSameVersion } from '../../observed/child-version.ts'
import { keepsPods } from '../../observed/deployment.ts'
import { isPaused, pausedUntil, withoutPastRepairs, withRepair } from '../../observed/repairs.ts'
import type { Observed } from '../pass/observation.ts'
import type { ChildWrite } from './acted.ts'
import { nameTaken } from './name-taken.ts'
import { ownershipOf } from './ownership.ts'

/** What became of one child. */
export interface ChildResult {
  key: string
  /** The record of the child; undefined if it is not there. */
  child: Child | undefined
  /** The object, if it was read whole or written. */
  object?: Stored<KubernetesObject>
  write?: ChildWrite
  /** See `Acted`. */
  repairDueAt?: number
  failure?: OperatorError
}

export interface ChildToApply {
  observed: Observed
  desired: DesiredChild
  /** Epoch milliseconds. */
  now: number
  /** Repairs at once, also a child that something else keeps changing. */
  ignorePauses: boolean
}

/** Creates or updates one child, if it differs from its record. A failure is part of the result. */
export async function applyChild(
  cluster: Cluster,
  toApply: ChildToApply,
  signal: AbortSignal,
): Promise<ChildResult> {
  const { observed, desired, now, ignorePauses } = toApply
  const reference = referenceTo(desired.object)
  const key = childKey(reference)
  const recorded = observed.instance.status?.children?.find(child => childKey(child) === key)
  try {
    if (recorded === undefined) return await create(cluster, toApply, undefined, signal)
    const found = lookUp(observed, recorded)
    if (recorded.hash === desired.hash) {
      if (isAsRecorded(recorded, found))
        return { key, child: refreshed(recorded, found, now), ...read(found) }
      if (!ignorePauses && isPaused(recorded.repairs, now))
        return { ...leftDuringPause(key, recorded), ...read(found) }
    }
    const write = found === undefined ? create : configure
    return await write(cluster, toApply, recorded, signal)
  } catch (thrown) {
    const failure = operatorError(thrown)
    // A child that belongs to another owner must not be pruned or torn down as ours later.
    return { key, child: failure.reason === 'NameTaken' ? undefined : recorded, failure }
  }
}

/** The forwarder's clock wakes the instance at the end of the pause if it watches the child. */
function leftDuringPause(key: string, recorded: Child): ChildResult {
  if (isWatchedKind(recorded)) return { key, child: recorded }
  return { key, child: recorded, repairDueAt: pausedUntil(recorded.repairs) }
}

/** `unread`: this pass had no cause to verify the record. Undefined: the child is gone. */
type Found = Stored<KubernetesObject> | 'unread' | undefined

function lookUp(observed: Observed, recorded: Child): Found {
  if (isWorkload(recorded)) return observed.deployment
  const key = childKey(recorded)
  return observed.verified.has(key) ? observed.verified.get(key) : 'unread'
}

function isAsRecorded(recorded: Child, found: Found): boolean {
  if (found === undefined) return false
  return found === 'unread' || isSameVersion(recorded.version, childVersion(found))
}

function read(found: Found): Pick<ChildResult, 'object'> {
  return typeof found === 'object' ? { object: found } : {}
}

/** The record of an unchanged child. Another client may have changed what is not ours in it. */
function refreshed(recorded: Child, found: Found, now: number): Child {
  const child = withoutPastRepairs(recorded, now)
  return typeof found === 'object' ? { ...child, version: childVersion(found) } : child
}

async function create(
  cluster: Cluster,
  toApply: ChildToApply,
  recorded: Child | undefined,
  signal: AbortSignal,
): Promise<ChildResult> {
  const created = await cluster.create(toApply.desired.object, signal)
  if (created !== 'exists') return written(toApply, { recorded, object: created, action: 'created' })
  return configure(cluster, toApply, recorded, signal)
}

async function configure(
  cluster: Cluster,
  toApply: ChildToApply,
  recorded: Child | undefined,
  signal: AbortSignal,
): Promise<ChildResult> {
  const { object } = toApply.desired
  const { instance } = toApply.observed
  const reference = referenceTo(object)
  const existing = await cluster.get(reference, signal)
  if (existing === undefined) {
    const created = await cluster.create(object, signal)
    if (created !== 'exists') return written(toApply, { recorded, object: created, action: 'created' })
    const message = `${childKey(reference)} came and went while it was being applied.`
    throw new OperatorError('ClusterUnavailable', message)
  }
  const ownership = ownershipOf(existing, instance)
  if (ownership === 'foreign') throw nameTaken(existing)
  if (existing.metadata.deletionTimestamp !== undefined)
    throw new OperatorError('Terminating', `${childKey(reference)} is still being deleted.`)
  const applied = await cluster.applyOver(existing, object, signal)
  const action = ownership === 'adoptable' ? 'adopted' : 'configured'
  return written(toApply, { recorded, object: applied, action, before: existing })
}

interface Done {
  recorded: Child | undefined
  /** The object after the write. */
  object: Stored<KubernetesObject>
  action: ChildWrite['action']
  before?: Stored<KubernetesObject>
}

function written({ desired, now }: ChildToApply, done: Done): ChildResult {
  const { recorded, object, action, before } = done
  const { hash } = desired
  const isRepair = recorded?.hash === hash && !(before && isSameContent(before, object))
  const repairs = isRepair ? withRepair(recorded.repairs, now) : recorded?.repairs
  const recent: Child = {
    ...referenceTo(desired.object),
    version: childVersion(object),
    hash,
    ...(repairs && { repairs }),
  }
  const child = withoutPastRepairs(recent, now)
  const write: ChildWrite = {
    child,
    action,
    replacesPods: !keepsPods(before, object),
    ...(isRepair ? { repair: { by: otherWriters(before) } } : {}),
  }
  return { key: childKey(child), child, object, write }
}

/** The field managers that wrote to the object and are not we. A status has its own. */
function otherWriters(object: Stored<KubernetesObject> | undefined): string[] {
  const written = (object?.metadata.managedFields ?? []).filter(each => !each.subresource)
  return [...new Set(written.flatMap(({ manager }) => manager ?? []))].filter(each => each !== fieldManager)
}
