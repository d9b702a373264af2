import type { ChallengeInstance, Child } from '../crd/challenge-instance.ts'
import { fieldManager, finalizer, labels } from '../crd/group.ts'
import type { Cluster, JsonPatchOperation } from '../kubernetes/cluster.ts'
import type { Recorded, Store } from '../store/store.ts'
import { databaseCapMs } from './report.ts'

/** Every kind an instance can own in its namespace, under its own name. */
const ownKinds = [
  { apiVersion: 'apps/v1', kind: 'Deployment' },
  { apiVersion: 'v1', kind: 'Service' },
  { apiVersion: 'v1', kind: 'Secret' },
  { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' },
] as const

interface OwnedChild extends Pick<Child, 'apiVersion' | 'kind' | 'namespace' | 'name'> {
  /** Of the child itself, where it is known: a successor under the same name is left alone. */
  uid?: string
}

export function hasFinalizer({ metadata }: ChallengeInstance): boolean {
  return metadata.finalizers?.includes(finalizer) === true
}

/** Puts our finalizer on where the admission policy did not. @returns the instance with it, undefined: it changed */
export async function addFinalizer(
  cluster: Cluster,
  instance: ChallengeInstance,
  signal: AbortSignal,
): Promise<ChallengeInstance | undefined> {
  const add: JsonPatchOperation =
    instance.metadata.finalizers === undefined
      ? { op: 'add', path: '/metadata/finalizers', value: [finalizer] }
      : { op: 'add', path: '/metadata/finalizers/-', value: finalizer }
  const patched = await cluster.patchJson<ChallengeInstance>(
    reference(instance),
    [same(instance), add],
    signal,
  )
  return patched === 'conflict' ? undefined : patched
}

/**
 * Removes what the instance owns, the workload first and its policy last, so that no pod ever runs unguarded.
 * The Deployment goes in the foreground: its disappearance means that its pods are gone.
 * @returns 'waiting' while the Deployment is still there
 */
export async function dismantle(
  cluster: Cluster,
  children: readonly OwnedChild[],
  signal: AbortSignal,
): Promise<'waiting' | 'done'> {
  const of = (...kinds: string[]) => children.filter(child => kinds.includes(child.kind))
  const remove = (child: OwnedChild, propagation: 'Foreground' | 'Background') =>
    cluster.delete(child, { propagation, ...(child.uid === undefined ? {} : { uid: child.uid }) }, signal)
  const workloads = await Promise.all(of('Deployment').map(child => remove(child, 'Foreground')))
  if (workloads.includes('deleting')) return 'waiting'
  const rest = children.filter(child => !['Deployment', 'NetworkPolicy'].includes(child.kind))
  for (const wave of [rest, of('NetworkPolicy')])
    await Promise.all(wave.map(child => remove(child, 'Background')))
  return 'done'
}

/**
 * What an instance owns by its labels, where `status.children` cannot be trusted: a pass that was cut between
 * creating and reporting, or an instance that is gone. Names follow from the instance, so no list is needed.
 */
export async function findOwned(
  cluster: Cluster,
  key: { namespace: string; name: string; uid: string },
  signal: AbortSignal,
): Promise<OwnedChild[]> {
  const candidates = ownKinds.map(kind => ({ ...kind, namespace: key.namespace, name: key.name }))
  const found = await Promise.all(candidates.map(candidate => cluster.getMetadata(candidate, signal)))
  return candidates.flatMap((candidate, index) => {
    const { labels: own = {}, uid = '' } = found[index]?.metadata ?? {}
    const owned =
      own[labels.managedBy] === fieldManager &&
      own[labels.instanceUid] === key.uid &&
      own[labels.instanceNamespace] === key.namespace
    return owned ? [{ ...candidate, uid }] : []
  })
}

/** Closes the row of an instance that is gone or going. @returns undefined where the database did not: nothing waits for it */
export async function closeRow(
  store: Store,
  uid: string,
  why: 'deleted' | 'expired',
  signal: AbortSignal,
): Promise<Recorded | undefined> {
  try {
    return await store.close(uid, why, AbortSignal.any([signal, AbortSignal.timeout(databaseCapMs)]))
  } catch {
    signal.throwIfAborted()
    return undefined
  }
}

/** Takes our finalizer off. @returns false when the instance changed meanwhile */
export async function releaseFinalizer(
  cluster: Cluster,
  instance: ChallengeInstance,
  signal: AbortSignal,
): Promise<boolean> {
  const others = (instance.metadata.finalizers ?? []).filter(each => each !== finalizer)
  const operations: JsonPatchOperation[] = [
    same(instance),
    { op: 'replace', path: '/metadata/finalizers', value: others },
  ]
  return (await cluster.patchJson(reference(instance), operations, signal)) !== 'conflict'
}

function same(instance: ChallengeInstance): JsonPatchOperation {
  return { op: 'test', path: '/metadata/resourceVersion', value: instance.metadata.resourceVersion }
}

function reference({ apiVersion, kind, metadata }: ChallengeInstance) {
  return { apiVersion, kind, namespace: metadata.namespace ?? '', name: metadata.name ?? '' }
}
