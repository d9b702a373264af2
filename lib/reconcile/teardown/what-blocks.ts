import type { ChallengeInstance, Child } from '../../crd/challenge-instance.ts'
import { isWorkload } from '../../crd/child-kinds.ts'
import { instanceSelector } from '../../crd/group.ts'
import type { KubernetesObject, Pod, Stored } from '../../crd/objects.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import { isNodeLost } from '../../observed/pod.ts'
import type { Obstacle } from '../pass/findings.ts'

/**
 * Returns what a slow teardown waits for: the owner of a finalizer, a node that does not answer, or the end of the pod.
 * Undefined if none of them can be seen.
 */
export async function whatBlocks(
  cluster: Cluster,
  instance: Stored<ChallengeInstance>,
  children: readonly Child[],
  signal: AbortSignal,
): Promise<Obstacle | undefined> {
  const workload = children.find(isWorkload)
  if (workload === undefined) return undefined
  const [deployment, pods] = await Promise.all([
    cluster.getMetadata(workload, signal),
    readPods(cluster, instance, workload.namespace, signal),
  ])
  const ofPods = [(pod: Stored<Pod>) => foreignFinalizer('Pod', pod), nodeLost, podEnding]
  return (
    (deployment && foreignFinalizer('Deployment', deployment)) ??
    ofPods.flatMap(obstacleOf => pods.flatMap(pod => obstacleOf(pod) ?? []))[0]
  )
}

/**
 * Reads all pods of the instance: the one that the status names may have been made for one that does not end. A list by
 * label reads the whole namespace, so this is for a slow teardown only.
 */
async function readPods(
  cluster: Cluster,
  { metadata }: Stored<ChallengeInstance>,
  namespace: string,
  signal: AbortSignal,
): Promise<Stored<Pod>[]> {
  const labelSelector = instanceSelector(metadata.uid)
  const kind = { apiVersion: 'v1', kind: 'Pod' }
  return (await Array.fromAsync(cluster.list<Pod>(kind, { namespace, labelSelector }, signal))).flat()
}

/** Finalizers of the garbage collector. The owner of any other one has to release the object. */
const ofKubernetes: ReadonlySet<string> = new Set(['foregroundDeletion', 'orphan'])

function foreignFinalizer(kind: string, { metadata }: Stored<KubernetesObject>): Obstacle | undefined {
  const foreign = metadata.finalizers?.find(each => !ofKubernetes.has(each))
  if (foreign === undefined) return undefined
  const message =
    `${kind} "${metadata.name}" is being deleted, but the finalizer "${foreign.slice(0, 100)}" holds it back. ` +
    'The owner of that finalizer has to remove it.'
  return { reason: 'ForeignFinalizer', message, stalled: false }
}

function nodeLost(pod: Stored<Pod>): Obstacle | undefined {
  if (!isNodeLost(pod)) return undefined
  const message =
    `Pod "${pod.metadata.name}" is on a node that does not answer, and Kubernetes waits for its end. ` +
    'Start the node again, or delete its Node object if the machine is gone for good.'
  return { reason: 'NodeLost', message, stalled: false }
}

function podEnding({ metadata }: Stored<Pod>): Obstacle | undefined {
  const { name, deletionGracePeriodSeconds = 0 } = metadata
  if (metadata.deletionTimestamp === undefined) return undefined
  const message = `Pod "${name}" is ending. It may take ${deletionGracePeriodSeconds} s for that.`
  return { reason: 'Terminating', message, stalled: false }
}
