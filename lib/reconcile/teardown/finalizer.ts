import type { ChallengeInstance } from '../../crd/challenge-instance.ts'
import { finalizer } from '../../crd/group.ts'
import type { Stored } from '../../crd/objects.ts'
import { referenceTo } from '../../crd/reference.ts'
import { OperatorError } from '../../errors.ts'
import type { Cluster, JsonPatchOperation } from '../../kubernetes/cluster.ts'
import { sameVersion } from '../json-patch.ts'

export function hasFinalizer({ metadata }: ChallengeInstance): boolean {
  return metadata.finalizers?.includes(finalizer) === true
}

/**
 * Adds our finalizer, unless the creator of the instance has set it. Costs one write where it is missing.
 * @returns the instance with the finalizer
 * @throws OperatorError if the instance changed since it was read
 */
export async function ensureFinalizer(
  cluster: Cluster,
  instance: Stored<ChallengeInstance>,
  signal: AbortSignal,
): Promise<Stored<ChallengeInstance>> {
  if (hasFinalizer(instance)) return instance
  const add: JsonPatchOperation =
    instance.metadata.finalizers === undefined
      ? { op: 'add', path: '/metadata/finalizers', value: [finalizer] }
      : { op: 'add', path: '/metadata/finalizers/-', value: finalizer }
  const operations = [sameVersion(instance), add]
  const patched = await cluster.patchJson<ChallengeInstance>(referenceTo(instance), operations, signal)
  if (patched !== 'conflict' && patched !== undefined) return patched
  const { namespace, name } = instance.metadata
  throw new OperatorError('Internal', `ChallengeInstance ${namespace}/${name} changed while it was read.`)
}

/** Removes our finalizer. @returns false if the instance changed since it was read */
export async function releaseFinalizer(
  cluster: Cluster,
  instance: Stored<ChallengeInstance>,
  signal: AbortSignal,
): Promise<boolean> {
  const others = (instance.metadata.finalizers ?? []).filter(each => each !== finalizer)
  const operations: JsonPatchOperation[] = [
    sameVersion(instance),
    { op: 'replace', path: '/metadata/finalizers', value: others },
  ]
  return (await cluster.patchJson(referenceTo(instance), operations, signal)) !== 'conflict'
}
