import type { ChallengeInstance, Child } from '../../crd/challenge-instance.ts'
import {
  childKinds,
  dependentKinds,
  isWorkload,
  removalOf,
  removeWaves,
  servedChildKinds,
} from '../../crd/child-kinds.ts'
import { instanceSelector, isManaged, labels } from '../../crd/group.ts'
import type { Stored } from '../../crd/objects.ts'
import { referenceTo } from '../../crd/reference.ts'
import { exposedServiceName } from '../../desired/identity.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import type { InstanceKey } from '../../messages.ts'
import { kindsOfOldOperator, ownershipOf } from '../act/ownership.ts'

export interface OwnedChild extends Pick<Child, 'apiVersion' | 'kind' | 'namespace' | 'name'> {
  /** The uid of the child, if it is known. A successor under the same name is left alone. */
  uid?: string
}

export interface Removal {
  /** `waiting`: the workload is still there. The later waves are not started then. */
  state: 'waiting' | 'done'
  /** What a Deployment had left that was gone already. */
  left: OwnedChild[]
}

/**
 * Removes the children of an instance wave by wave: the workload first and its policy last, so that no pod ever runs
 * without its policy. The Deployment is deleted in the foreground, so its disappearance means that its pods are gone.
 * `findLeft`: finds what a Deployment has left in its namespace; called only if the Deployment is gone already.
 */
export async function removeChildren(
  cluster: Cluster,
  children: readonly OwnedChild[],
  { findLeft }: { findLeft?: (namespace: string) => Promise<OwnedChild[]> },
  signal: AbortSignal,
): Promise<Removal> {
  const left: OwnedChild[] = []
  for (const wave of removeWaves(children)) {
    const removed = await Promise.all(wave.map(child => remove(cluster, child, signal)))
    const lost = wave.find((child, index) => isWorkload(child) && removed[index] === 'gone')
    if (lost && findLeft) left.push(...(await findLeft(lost.namespace)))
    const removedToo = lost ? await Promise.all(left.map(child => remove(cluster, child, signal))) : []
    if ([...removed, ...removedToo].includes('going')) return { state: 'waiting', left }
  }
  return { state: 'done', left }
}

/** @returns 'going' while the object has to be waited for */
async function remove(
  cluster: Cluster,
  child: OwnedChild,
  signal: AbortSignal,
): Promise<'going' | 'gone' | 'left'> {
  const { propagation } = removalOf(child)
  const options = { propagation, ...(child.uid === undefined ? {} : { uid: child.uid }) }
  const result = await cluster.delete(child, options, signal)
  if (result !== 'deleting') return 'gone'
  return propagation === 'Foreground' ? 'going' : 'left'
}

/**
 * Finds ReplicaSets and pods of an instance by their labels. They are left if a user has deleted the Deployment without
 * them. A list by label reads the whole namespace, so this is for that case only. Pods of a ReplicaSet that is found are
 * left out, since they go with it.
 */
export async function findLeftByDeployment(
  cluster: Cluster,
  instance: InstanceKey,
  namespace: string,
  signal: AbortSignal,
): Promise<OwnedChild[]> {
  const labelSelector = instanceSelector(instance.uid)
  const listed = await Promise.all(
    dependentKinds.map(kind =>
      Array.fromAsync(cluster.list(kind, { namespace, labelSelector, metadataOnly: true }, signal)),
    ),
  )
  const found = listed
    .flat(2)
    .filter(each => each.metadata.labels?.[labels.instanceNamespace] === instance.namespace)
  const uids = new Set(found.map(each => each.metadata.uid))
  return found
    .filter(each => !each.metadata.ownerReferences?.some(owner => uids.has(owner.uid)))
    .map(each => ({ ...referenceTo(each), uid: each.metadata.uid }))
}

/**
 * Finds the children of an instance by their labels. This is for an instance whose record of children is incomplete,
 * because a pass ended between creating and reporting, and for an instance that is gone. The names of children follow
 * from the instance, so no list is needed.
 * @param places namespaces in which its workload may be
 */
export async function findOwned(
  cluster: Cluster,
  { namespace, name, uid }: InstanceKey,
  places: readonly string[],
  signal: AbortSignal,
): Promise<OwnedChild[]> {
  const kinds = servedChildKinds(await cluster.servedKinds(signal))
  const candidates = places.flatMap(place => [
    ...kinds.map(({ apiVersion, kind }) => ({ apiVersion, kind, namespace: place, name })),
    { apiVersion: 'v1', kind: 'Service', namespace: place, name: exposedServiceName(name) },
  ])
  const found = await Promise.all(candidates.map(candidate => cluster.getMetadata(candidate, signal)))
  return candidates.flatMap((candidate, index) => {
    const object = found[index]
    const own = object?.metadata.labels ?? {}
    const owned =
      isManaged({ labels: own }) &&
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
