import { runLimited } from '../../../lib/concurrency.ts'
import type { ChallengeInstance } from '../../../lib/crd/challenge-instance.ts'
import type { Stored } from '../../../lib/crd/objects.ts'
import { referenceTo } from '../../../lib/crd/reference.ts'
import { operatorError } from '../../../lib/errors.ts'
import type { Cluster } from '../../../lib/kubernetes/cluster.ts'
import { sameVersion } from '../../../lib/reconcile/json-patch.ts'
import { type Action, isBeingDeleted, type Result, type Step, tooLate } from './action.ts'

/** A few calls at a time keep an API server busy. The priority levels of Kubernetes share it with players. */
const atOnce = 8

/** Each try is lost only if something else writes the instance between the read and the patch, as its own pass does. */
const tries = 8

export interface CarryingOut {
  /** Called after each instance. */
  onResult(result: Result): void
}

/**
 * Carries an action out, a few instances at a time. One that fails does not keep the others from it. While the API server
 * does not answer, or after the signal aborted, the rest is left and reported as failed.
 * @returns the results in the order of the instances
 */
export async function carryOut(
  cluster: Cluster,
  action: Action,
  instances: readonly Stored<ChallengeInstance>[],
  { onResult }: CarryingOut,
  signal: AbortSignal,
): Promise<Result[]> {
  let stopped: string | undefined
  return await runLimited(instances, atOnce, async instance => {
    const result = await actOn(instance)
    onResult(result)
    return result
  })

  async function actOn(instance: Stored<ChallengeInstance>): Promise<Result> {
    if (signal.aborted) stopped ??= 'not tried, because the command was interrupted'
    if (stopped !== undefined) return failed(instance, stopped)
    try {
      return await changeOne(cluster, action, instance, signal)
    } catch (thrown) {
      const { reason, message } = operatorError(thrown)
      if (reason === 'ClusterUnavailable' && !signal.aborted)
        stopped ??= 'not tried, because the cluster does not answer'
      return failed(instance, message)
    }
  }
}

async function changeOne(
  cluster: Cluster,
  action: Action,
  instance: Stored<ChallengeInstance>,
  signal: AbortSignal,
): Promise<Result> {
  const reference = referenceTo(instance)
  const { uid } = instance.metadata
  let current: Stored<ChallengeInstance> | undefined = instance
  for (let count = 0; current !== undefined && current.metadata.uid === uid; count++) {
    const step = action.step(current)
    const changed = await perform(cluster, current, step, signal)
    if (changed !== 'conflict') return { ...resultOf(action, step, changed), instance }
    if (count === tries) return failed(instance, 'something else keeps changing it; try again')
    current = await cluster.get<ChallengeInstance>(reference, signal)
  }
  return failed(instance, 'it has been deleted meanwhile')
}

type Changed = Stored<ChallengeInstance> | 'conflict' | undefined

/** @returns the instance after the change; undefined if it is gone, or if nothing had to be done */
async function perform(
  cluster: Cluster,
  current: Stored<ChallengeInstance>,
  step: Step,
  signal: AbortSignal,
): Promise<Changed> {
  const reference = referenceTo(current)
  if (step.kind === 'patch')
    return cluster.patchJson<ChallengeInstance>(reference, [sameVersion(current), ...step.operations], signal)
  if (step.kind === 'delete') await cluster.delete(reference, { uid: current.metadata.uid }, signal)
  return undefined
}

function resultOf(
  { whileDeleting }: Action,
  step: Step,
  after: Exclude<Changed, 'conflict'>,
): Omit<Result, 'instance'> {
  if (step.kind === 'leave') return { outcome: 'left', detail: step.because }
  if (step.kind === 'refuse') return { outcome: 'failed', detail: step.because }
  if (step.kind === 'delete') return { outcome: 'done', detail: step.detail }
  if (after === undefined) return { outcome: 'failed', detail: 'it has been deleted meanwhile' }
  if (isBeingDeleted(after) && !whileDeleting) return { outcome: 'failed', detail: tooLate }
  return { outcome: 'done', detail: step.detail, after }
}

function failed(instance: Stored<ChallengeInstance>, detail: string): Result {
  return { instance, outcome: 'failed', detail }
}
