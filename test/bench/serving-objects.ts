import type { ChallengeInstance, ChallengeInstanceStatus } from '../../lib/crd/challenge-instance.ts'
import type { ChallengeTemplate } from '../../lib/crd/challenge-template.ts'
import { apiVersion } from '../../lib/crd/group.ts'
import type { Deployment, KubernetesObject, Named, Pod, Stored } from '../../lib/crd/objects.ts'
import type { Desired } from '../../lib/desired/desired.ts'
import { defaultDeny } from '../../lib/desired/objects/default-deny.ts'
import { collectionPath, objectPath } from '../../lib/kubernetes/client/paths.ts'
import { deploymentDigest } from '../../lib/observed/deployment.ts'
import { podDigest } from '../../lib/observed/pod.ts'
import { workloadVerdict } from '../../lib/observed/workload.ts'
import { appliedStatus } from './applied-status.ts'
import type { BareClient } from './bare-client.ts'
import { finalized } from './creator.ts'
import { instance, operated, type Sample } from './sample.ts'

/**
 * Creates Ready instances by bare calls, with Deployment, Service and pod, under the policies that they share.
 * Their Secrets are left out, because no forwarder reads them.
 */
export async function createServingObjects(
  bare: BareClient,
  sample: Sample,
  signal: AbortSignal,
  { statusOf = noStatus, reported = asIs }: Exposing = {},
) {
  const post = async <T extends KubernetesObject>(object: T): Promise<Stored<T>> =>
    parsed(await bare.call('POST', pathFor(object), JSON.stringify(object), signal))
  const putStatus = async <T extends KubernetesObject>(
    object: Stored<T>,
    status: unknown,
  ): Promise<Stored<T>> => {
    const { apiVersion, kind, metadata } = object
    const path = objectPath({ apiVersion, kind, ...metadata })
    return parsed(await bare.call('PUT', `${path}/status`, JSON.stringify({ ...object, status }), signal))
  }
  const { metadata } = sample.template(operated)
  const at = objectPath({
    apiVersion,
    kind: 'ChallengeTemplate',
    namespace: operated,
    name: metadata.name,
  })
  await post(defaultDeny(operated))
  const stored = parsed<ChallengeTemplate>(await bare.call('GET', at, undefined, signal))

  const posted = new Map<string, Promise<unknown>>()
  const postOnce = (object: KubernetesObject) => {
    const { namespace = '', name = '' } = object.metadata
    const key = `${object.kind} ${namespace}/${name}`
    const underWay = posted.get(key) ?? post(object)
    posted.set(key, underWay)
    return underWay
  }

  return async (name: string, teamId: number): Promise<void> => {
    const made = await post<ChallengeInstance>(finalized(instance(operated, name, teamId)))
    const desired = sample.desiredOf(made)
    const place = sample.placeOf(made)
    if (place) await postOnce(place.namespace)
    for (const object of place?.contents ?? []) await postOnce(object)
    if (desired.sharedPolicy) await postOnce(desired.sharedPolicy)
    const children = await Promise.all(
      desired.children.map(async ({ object }) => {
        if (object.kind === 'Secret') return neverPosted(object)
        const child = await post(headless(object))
        const status = object.kind === 'Deployment' ? servingStatus : statusOf(child)
        return status === undefined ? child : putStatus(child, status)
      }),
    )
    const deployment = children.find(child => child.kind === 'Deployment') as Stored<Deployment>
    const pod = await putStatus(await post(podOf(deployment)), podStatus)
    const verdict = workloadVerdict(deploymentDigest(deployment), [podDigest(pod)], Date.now())
    const status = appliedStatus({ instance: made, template: stored, desired, made: children, verdict })
    await putStatus(made, reported(status, desired))
  }
}

/** What is more of instances that are exposed. */
export interface Exposing {
  /** The status that a controller writes into a child. */
  statusOf?: (child: Stored<KubernetesObject>) => unknown
  /** What the status says of the exposure. */
  reported?: (status: ChallengeInstanceStatus, desired: Desired) => ChallengeInstanceStatus
}

const noStatus = () => undefined
const asIs = (status: ChallengeInstanceStatus) => status

function pathFor(object: KubernetesObject): string {
  return collectionPath(object, object.metadata.namespace)
}

function parsed<T>(text: string): T {
  return JSON.parse(text) as T
}

/** A Secret as the API server would return it. */
function neverPosted(object: Named<KubernetesObject>): Stored<KubernetesObject> {
  const stored = { uid: 'secret-uid', resourceVersion: '1', creationTimestamp: '2026-11-21T08:00:00Z' }
  return { ...object, metadata: { ...object.metadata, ...stored } }
}

/** Makes a Service headless: ten thousand addresses would be as many more objects, none of which is watched. */
function headless(object: KubernetesObject): KubernetesObject {
  if (object.kind !== 'Service') return object
  const { spec } = object as KubernetesObject & { spec: object }
  return { ...object, spec: { ...spec, clusterIP: 'None' } } as KubernetesObject
}

/** The pod as a ReplicaSet names and owns it. */
function podOf({ metadata, spec }: Stored<Deployment>): Pod {
  const { namespace, name, uid } = metadata
  const owner = {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    name: `${name}-7d4b9c6f5d`,
    uid,
    controller: true,
  }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...spec?.template?.metadata,
      name: `${name}-7d4b9c6f5d-x2x7k`,
      namespace,
      ownerReferences: [owner],
    },
    spec: { ...spec?.template?.spec, nodeName: 'node-0' },
  } as Pod
}

const since = new Date().toISOString()

const servingStatus = {
  observedGeneration: 1,
  replicas: 1,
  updatedReplicas: 1,
  readyReplicas: 1,
  availableReplicas: 1,
  conditions: ['Available', 'Progressing'].map(type => ({
    type,
    status: 'True',
    reason: type === 'Available' ? 'MinimumReplicasAvailable' : 'NewReplicaSetAvailable',
    message: 'A message of the usual length, as the deployment controller writes it.',
    lastUpdateTime: since,
    lastTransitionTime: since,
  })),
}

const podStatus = {
  phase: 'Running',
  podIP: '10.64.0.1',
  podIPs: [{ ip: '10.64.0.1' }],
  hostIP: '10.0.0.1',
  startTime: since,
  conditions: ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'].map(type => ({
    type,
    status: 'True',
    lastTransitionTime: since,
  })),
  containerStatuses: [
    {
      name: 'challenge',
      image: 'registry.example.com/ctf/web:1',
      imageID: `registry.example.com/ctf/web@sha256:${'0'.repeat(64)}`,
      containerID: `containerd://${'0'.repeat(64)}`,
      ready: true,
      started: true,
      restartCount: 0,
      state: { running: { startedAt: since } },
    },
  ],
}
