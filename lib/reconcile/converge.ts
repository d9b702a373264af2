import type { ChallengeInstance, Child } from '../crd/challenge-instance.ts'
import type { KubernetesObject } from '../crd/objects.ts'
import type { DesiredChild } from '../desired/desired.ts'
import { OperatorError, operatorError } from '../errors.ts'
import type { Cluster } from '../kubernetes/cluster.ts'
import { childVersion } from '../observed/child-version.ts'
import { childKey, type Observed } from './observe.ts'
import { ownershipOf } from './ownership.ts'

export interface Change {
  child: string
  action: 'created' | 'configured' | 'adopted' | 'deleted'
}

/** What came of applying and pruning: a failed child does not stop its neighbours. */
export interface Converged {
  /** What is recorded as applied now, failed ones as they were before. */
  children: Child[]
  changes: Change[]
  failures: OperatorError[]
}

export interface Wanted {
  children: readonly DesiredChild[]
  /** Leave what stands as it is, and only put back what is missing (`updateStrategy: Keep`). */
  keep: boolean
}

/**
 * Applies what differs from what was recorded, then prunes what is recorded and no longer desired.
 * The Deployment comes after the rest: a pod must find its Secret and its policy.
 */
export async function converge(
  cluster: Cluster,
  observed: Observed,
  wanted: Wanted,
  signal: AbortSignal,
): Promise<Converged> {
  const recorded = observed.instance.status?.children ?? []
  const results: ChildResult[] = []
  for (const wave of waves(wanted.children)) {
    results.push(
      ...(await Promise.all(wave.map(child => bring(cluster, observed, child, wanted.keep, signal)))),
    )
    if (results.some(result => result.failure)) break
  }
  const tried = new Set(wanted.children.map(child => childKey(reference(child.object))))
  const whole = results.every(result => !result.failure)
  const surplus = whole ? recorded.filter(child => !tried.has(childKey(child))) : []
  const pruned = await Promise.all(surplus.map(child => prune(cluster, child, signal)))
  const all = [...results, ...pruned]
  const done = new Set(all.map(result => result.key))
  const untouched = recorded.filter(child => !done.has(childKey(child)))
  return {
    children: [...all.flatMap(result => result.child ?? []), ...untouched].toSorted(byKey),
    changes: all.flatMap(result => (result.action ? [{ child: result.key, action: result.action }] : [])),
    failures: all.flatMap(result => result.failure ?? []),
  }
}

interface ChildResult {
  key: string
  /** As it is to be recorded; undefined: not there. */
  child: Child | undefined
  action?: Change['action']
  failure?: OperatorError
}

function waves(children: readonly DesiredChild[]): DesiredChild[][] {
  const isWorkload = (child: DesiredChild) => child.object.kind === 'Deployment'
  return [children.filter(child => !isWorkload(child)), children.filter(isWorkload)]
}

async function bring(
  cluster: Cluster,
  observed: Observed,
  desired: DesiredChild,
  keep: boolean,
  signal: AbortSignal,
): Promise<ChildResult> {
  const key = childKey(reference(desired.object))
  const recorded = observed.instance.status?.children?.find(child => childKey(child) === key)
  try {
    const seen = lookedUp(observed, key)
    if (recorded && seen !== undefined) {
      const version = seen === 'unread' ? recorded.version : childVersion(seen.metadata)
      if (keep) return { key, child: { ...recorded, version } }
      if (recorded.hash === desired.hash && recorded.version === version) return { key, child: recorded }
      return await configure(cluster, observed.instance, desired, signal)
    }
    const created = await cluster.create(desired.object, signal)
    if (created !== 'exists') return { key, child: record(created, desired), action: 'created' }
    return await configure(cluster, observed.instance, desired, signal)
  } catch (thrown) {
    const failure = operatorError(thrown)
    // What is somebody else's now must not be pruned or finalized as ours later.
    return { key, child: failure.reason === 'NameTaken' ? undefined : recorded, failure }
  }
}

/** 'unread' where this pass had no reason to doubt what was recorded. */
function lookedUp(observed: Observed, key: string): KubernetesObject | 'unread' | undefined {
  if (key.startsWith('Deployment/')) return observed.deployment
  return observed.verified.has(key) ? observed.verified.get(key) : 'unread'
}

async function configure(
  cluster: Cluster,
  instance: ChallengeInstance,
  desired: DesiredChild,
  signal: AbortSignal,
): Promise<ChildResult> {
  const name = reference(desired.object)
  const key = childKey(name)
  const existing = await cluster.get(name, signal)
  if (existing === undefined) {
    const created = await cluster.create(desired.object, signal)
    if (created === 'exists')
      throw new OperatorError('ClusterUnavailable', `${key} came and went while it was being applied.`)
    return { key, child: record(created, desired), action: 'created' }
  }
  const ownership = ownershipOf(existing, instance)
  if (ownership === 'foreign')
    throw new OperatorError(
      'NameTaken',
      `${name.kind} "${name.name}" in namespace "${name.namespace}" belongs to somebody else. ` +
        'Delete it, or create the instance under another name.',
      { fate: 'permanent' },
    )
  if (existing.metadata.deletionTimestamp !== undefined)
    throw new OperatorError('Terminating', `${key} is still being deleted.`)
  const applied = await cluster.applyOver(existing, desired.object, signal)
  return {
    key,
    child: record(applied, desired),
    action: ownership === 'adoptable' ? 'adopted' : 'configured',
  }
}

async function prune(cluster: Cluster, child: Child, signal: AbortSignal): Promise<ChildResult> {
  const key = childKey(child)
  try {
    await cluster.delete(child, { propagation: 'Background' }, signal)
    return { key, child: undefined, action: 'deleted' }
  } catch (thrown) {
    return { key, child, failure: operatorError(thrown) }
  }
}

function record(object: KubernetesObject, desired: DesiredChild): Child {
  const { apiVersion, kind, namespace, name } = reference(desired.object)
  return { apiVersion, kind, namespace, name, version: childVersion(object.metadata), hash: desired.hash }
}

function reference(object: KubernetesObject) {
  const { namespace = '', name = '' } = object.metadata
  return { apiVersion: object.apiVersion, kind: object.kind, namespace, name }
}

function byKey(a: Child, b: Child): number {
  return childKey(a) < childKey(b) ? -1 : 1
}
