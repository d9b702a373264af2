import type { ChallengeInstance, Child } from '../../crd/challenge-instance.ts'
import { childKinds, removalOf, removeWaves } from '../../crd/child-kinds.ts'
import { fieldManager, labels } from '../../crd/group.ts'
import type { Stored } from '../../crd/objects.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import type { InstanceKey } from '../../messages.ts'
import { kindsOfOldOperator, ownershipOf } from '../act/ownership.ts'

export interface OwnedChild extends Pick<Child, 'apiVersion' | 'kind' | 'namespace' | 'name'> {
  /** The uid of the child, if it is known. A successor under the same name is left alone. */
  uid?: string
}

/**
 * Removes the children of an instance wave by wave: the workload first and its policy last, so that no pod ever runs
 * without its policy. The Deployment is deleted in the foreground, so its disappearance means that its pods are gone.
 * @returns 'waiting' while the Deployment is still there; the later waves are not started then
 */
export async function removeChildren(
  cluster: Cluster,
  children: readonly OwnedChild[],
  signal: AbortSignal,
): Promise<'waiting' | 'done'> {
  for (const wave of removeWaves(children)) {
    const remove = async (child: OwnedChild) => {
      const { propagation } = removalOf(child)
      const options = { propagation, ...(child.uid === undefined ? {} : { uid: child.uid }) }
      const result = await cluster.delete(child, options, signal)
      return result === 'deleting' && propagation === 'Foreground'
    }
    const waiting = await Promise.all(wave.map(remove))
    if (waiting.includes(true)) return 'waiting'
  }
  return 'done'
}

/**
 * Finds the children of an instance by their labels. This is for an instance whose record of children is incomplete,
 * because a pass ended between creating and reporting, and for an instance that is gone. The names of children follow
 * from the instance, so no list is needed.
 */
export async function findOwned(
  cluster: Cluster,
  { namespace, name, uid }: InstanceKey,
  signal: AbortSignal,
): Promise<OwnedChild[]> {
  const candidates = childKinds.map(({ apiVersion, kind }) => ({ apiVersion, kind, namespace, name }))
  const found = await Promise.all(candidates.map(candidate => cluster.getMetadata(candidate, signal)))
  return candidates.flatMap((candidate, index) => {
    const object = found[index]
    const own = object?.metadata.labels ?? {}
    const owned =
      own[labels.managedBy] === fieldManager &&
      own[labels.instanceUid] === uid &&
      own[labels.instanceNamespace] === namespace
    return object && owned ? [{ ...candidate, uid: object.metadata.uid }] : []
  })
}

/** Finds the children of an instance that the older operator made, and that no pass has taken over. */
export async function findAdoptable(
  cluster: Cluster,
  instance: Stored<ChallengeInstance>,
  signal: AbortSignal,
): Promise<OwnedChild[]> {
  const { namespace, name } = instance.metadata
  const candidates = childKinds
    .filter(({ kind }) => kindsOfOldOperator.has(kind))
    .map(({ apiVersion, kind }) => ({ apiVersion, kind, namespace, name }))
  const found = await Promise.all(candidates.map(candidate => cluster.get(candidate, signal)))
  return candidates.flatMap((candidate, index) => {
    const object = found[index]
    const adoptable = object && ownershipOf(object, instance) === 'adoptable'
    return adoptable ? [{ ...candidate, uid: object.metadata.uid }] : []
  })
}
