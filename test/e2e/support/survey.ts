import type { KubernetesClient } from '../../../lib/kubernetes/client/http.ts'
import type { Cluster } from '../../../lib/kubernetes/cluster.ts'
import { waitUntil } from '../../../local/process/wait.ts'
import { findControllers, nodePortOf } from './exposure-survey.ts'
import type { Packets, Target } from './packets.ts'
import { ports, type RunningPod, startProbePod } from './probe-pod.ts'
import type { Ability, SuiteVariables } from './variables.ts'

/** Addresses that a challenge must never reach. */
export interface ClusterTargets {
  /** The API server: its Service, and where it listens itself. */
  apiServer: Target[]
  /** The kubelet of a node. */
  kubelet: Target
  metadata: Target
}

export interface Survey {
  abilities: Ability[]
  targets: ClusterTargets
}

/** Time in which a CNI enforces a new policy. One that enforces none costs this time once. */
const enforcedMs = 20_000
const kubeletPort = 10_250

interface SurveyParts {
  cluster: Cluster
  client: KubernetesClient
  packets: Packets
  namespace: string
}

/**
 * Finds by packets of pods without any policy what the cluster can show. A refusal proves nothing if the same packet is
 * lost for a pod that no policy holds back.
 */
export async function surveyCluster(
  { cluster, client, packets, namespace }: SurveyParts,
  variables: SuiteVariables,
  apiServer: Target[],
  signal: AbortSignal,
): Promise<Survey> {
  const { image, outside, outsideOther } = variables
  const start = (name: string) => startProbePod(cluster, { namespace, name, image }, signal)
  const [free, held] = await Promise.all([start('free'), start('held')])
  await packets.expectOpen(free, podTarget(held))
  const targets: ClusterTargets = {
    apiServer,
    kubelet: { host: free.node, port: kubeletPort },
    metadata: { host: '169.254.169.254', port: 80 },
  }
  const reaches = async (...wanted: Target[]) => {
    const answers = await Promise.all(wanted.map(target => packets.connect(free, target)))
    return answers.every(answer => answer === 'open')
  }
  const found: Record<Ability, boolean> = {
    ...(await findControllers(client, variables, signal)),
    'node-port': await reaches(await nodePortOf({ client, signal }, held)),
    outside: await reaches(outside, outsideOther),
    metadata: await reaches(targets.metadata),
    node: await reaches(targets.kubelet),
    'api-server': await reaches(...apiServer),
    ipv6: free.addresses.some(address => address.includes(':')),
    metrics: await servesMetrics(client, signal),
    'operator-image': variables.inCluster !== undefined,
    policies: await enforcesPolicies({ cluster, packets }, free, held, signal),
  }
  const abilities = (Object.keys(found) as Ability[]).filter(ability => found[ability])
  return { abilities, targets }
}

function podTarget({ addresses }: RunningPod): Target {
  return { host: addresses[0] ?? '', port: ports.tcp }
}

/** Whether a metrics-server answers. One that is registered and does not run answers 503. */
async function servesMetrics(client: KubernetesClient, signal: AbortSignal): Promise<boolean> {
  const { status } = await client.request('GET', '/apis/metrics.k8s.io/v1beta1/nodes', {}, signal)
  return status === 200
}

/** Whether a policy that allows nothing cuts a pod off, in both directions. */
async function enforcesPolicies(
  { cluster, packets }: { cluster: Cluster; packets: Packets },
  free: RunningPod,
  held: RunningPod,
  signal: AbortSignal,
): Promise<boolean> {
  const policy = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { namespace: held.namespace, name: 'hold' },
    spec: { podSelector: { matchLabels: held.labels }, policyTypes: ['Ingress', 'Egress'] },
  }
  await cluster.create(policy, signal)
  const isCutOff = async () => {
    const answers = [packets.connect(free, podTarget(held)), packets.connect(held, podTarget(free))]
    return (await Promise.all(answers)).every(answer => answer !== 'open')
  }
  return waitUntil('isolation by a policy', enforcedMs, isCutOff, signal).then(
    () => true,
    () => false,
  )
}
