import type { ChallengeInstance, Child } from '../../crd/challenge-instance.ts'
import { applyWaves } from '../../crd/child-kinds.ts'
import type { Stored } from '../../crd/objects.ts'
import { childKey, keyOfObject } from '../../crd/reference.ts'
import type { DesiredChild } from '../../desired/desired.ts'
import { type OperatorError, operatorError } from '../../errors.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import { isOwnPolicy } from '../policy/own-policy.ts'
import type { ChildWrite, ExposingResult } from './acted.ts'
import { applyChild, type ChildResult, type ChildToApply } from './apply-child.ts'
import { isReplaced } from './ownership.ts'

/** The result of applying and pruning. A failed child does not stop the others of its wave. */
export interface Converged {
  /** The record of every child that is applied now. A failed one keeps its earlier record. */
  children: Child[]
  writes: ChildWrite[]
  failures: OperatorError[]
  /** See `Acted`. */
  repairDueAt: number | undefined
  exposing: ExposingResult | undefined
}

export interface ToConverge extends Omit<ChildToApply, 'desired'> {
  desired: readonly DesiredChild[]
}

/**
 * Applies every child that differs from its record, wave by wave, then prunes what is recorded and no longer desired.
 * The Deployment is in the last wave but one, since a pod must find its Secret. What exposes the instance comes last, so
 * that its failure keeps no pod from starting. The policy of an instance's own stays, because the pod that relies on it
 * may still be there (`unneededOwnPolicy`).
 */
export async function converge(
  cluster: Cluster,
  { desired, ...pass }: ToConverge,
  signal: AbortSignal,
): Promise<Converged> {
  const applied: ChildResult[] = []
  const others = applyWaves(
    desired.filter(child => !child.exposes),
    child => child.object.kind,
  )
  const exposing = desired.filter(child => child.exposes)
  for (const wave of [...others, exposing]) {
    const results = wave.map(child => applyChild(cluster, { ...pass, desired: child }, signal))
    applied.push(...(await Promise.all(results)))
    if (applied.some(result => result.failure)) break
  }
  const recorded = pass.observed.instance.status?.children ?? []
  const surplus = applied.some(result => result.failure) ? [] : notDesired(recorded, desired)
  const pruned = await Promise.all(
    surplus.map(child => prune(cluster, { child, instance: pass.observed.instance }, signal)),
  )
  const all = [...applied, ...pruned]
  const done = new Set(all.map(result => result.key))
  const repairsDueAt = all.flatMap(result => result.repairDueAt ?? [])
  const untouched = recorded.filter(child => !done.has(childKey(child)))
  return {
    children: [...all.flatMap(result => result.child ?? []), ...untouched].toSorted(byKey),
    writes: all.flatMap(result => result.write ?? []),
    failures: all.flatMap(result => result.failure ?? []),
    repairDueAt: repairsDueAt.length === 0 ? undefined : Math.min(...repairsDueAt),
    exposing: exposing.flatMap(({ object }) => all.find(({ key }) => key === keyOfObject(object)) ?? [])[0],
  }
}

function notDesired(recorded: readonly Child[], desired: readonly DesiredChild[]): Child[] {
  const keys = new Set(desired.map(child => keyOfObject(child.object)))
  return recorded.filter(child => !keys.has(childKey(child)) && !isOwnPolicy(child))
}

/** Deletes a child that is not desired any more. An object of another client that has its name is left alone. */
export async function prune(
  cluster: Cluster,
  { child, instance }: { child: Child; instance: Stored<ChallengeInstance> },
  signal: AbortSignal,
): Promise<ChildResult> {
  const key = childKey(child)
  try {
    const found = await cluster.getMetadata(child, signal)
    if (found === undefined || isReplaced(found, instance)) return { key, child: undefined }
    const { uid } = found.metadata
    await cluster.delete(child, { propagation: 'Background', uid }, signal)
    return { key, child: undefined, write: { child, action: 'deleted', replacesPods: false } }
  } catch (thrown) {
    return { key, child, failure: operatorError(thrown) }
  }
}

function byKey(a: Child, b: Child): number {
  return childKey(a) < childKey(b) ? -1 : 1
}
