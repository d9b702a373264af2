import type { ChallengeInstance, Child } from '../../crd/challenge-instance.ts'
import { isWorkload } from '../../crd/child-kinds.ts'
import type { KubernetesObject, Stored } from '../../crd/objects.ts'
import { childKey, referenceTo } from '../../crd/reference.ts'
import type { DesiredChild } from '../../desired/desired.ts'
import { OperatorError, operatorError } from '../../errors.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import { childVersion } from '../../observed/child-version.ts'
import { keepsPods } from '../../observed/deployment.ts'
import type { Observed } from '../pass/observation.ts'
import type { ChildWrite } from './acted.ts'
import { nameTaken } from './name-taken.ts'
import { ownershipOf } from './ownership.ts'

/** What became of one child. */
export interface ChildResult {
  key: string
  /** The record of the child; undefined if it is not there. */
  child: Child | undefined
  write?: ChildWrite
  failure?: OperatorError
}

export interface ChildToApply {
  observed: Observed
  desired: DesiredChild
}

/** Creates or updates one child, if it differs from its record. A failure is part of the result. */
export async function applyChild(
  cluster: Cluster,
  { observed, desired }: ChildToApply,
  signal: AbortSignal,
): Promise<ChildResult> {
  const reference = referenceTo(desired.object)
  const key = childKey(reference)
  const recorded = observed.instance.status?.children?.find(child => childKey(child) === key)
  try {
    const found = recorded && lookUp(observed, recorded)
    if (recorded && found !== undefined) {
      const version = found === 'unread' ? recorded.version : childVersion(found.metadata)
      if (recorded.hash === desired.hash && recorded.version === version) return { key, child: recorded }
      return await configure(cluster, observed.instance, desired, signal)
    }
    const created = await cluster.create(desired.object, signal)
    if (created !== 'exists') return written(created, desired, 'created')
    return await configure(cluster, observed.instance, desired, signal)
  } catch (thrown) {
    const failure = operatorError(thrown)
    // A child that belongs to another owner must not be pruned or torn down as ours later.
    return { key, child: failure.reason === 'NameTaken' ? undefined : recorded, failure }
  }
}

/** @returns 'unread' if this pass had no cause to verify the record */
function lookUp(observed: Observed, recorded: Child): Stored<KubernetesObject> | 'unread' | undefined {
  if (isWorkload(recorded)) return observed.deployment
  const key = childKey(recorded)
  return observed.verified.has(key) ? observed.verified.get(key) : 'unread'
}

async function configure(
  cluster: Cluster,
  instance: Stored<ChallengeInstance>,
  desired: DesiredChild,
  signal: AbortSignal,
): Promise<ChildResult> {
  const reference = referenceTo(desired.object)
  const existing = await cluster.get(reference, signal)
  if (existing === undefined) {
    const created = await cluster.create(desired.object, signal)
    if (created !== 'exists') return written(created, desired, 'created')
    const message = `${childKey(reference)} came and went while it was being applied.`
    throw new OperatorError('ClusterUnavailable', message)
  }
  const ownership = ownershipOf(existing, instance)
  if (ownership === 'foreign') throw nameTaken(existing)
  if (existing.metadata.deletionTimestamp !== undefined)
    throw new OperatorError('Terminating', `${childKey(reference)} is still being deleted.`)
  const applied = await cluster.applyOver(existing, desired.object, signal)
  return written(applied, desired, ownership === 'adoptable' ? 'adopted' : 'configured', existing)
}

function written(
  object: Stored<KubernetesObject>,
  desired: DesiredChild,
  action: ChildWrite['action'],
  before?: KubernetesObject,
): ChildResult {
  const reference = referenceTo(desired.object)
  const child: Child = { ...reference, version: childVersion(object.metadata), hash: desired.hash }
  return { key: childKey(child), child, write: { child, action, replacesPods: !keepsPods(before, object) } }
}
