import type { Pod } from '../../../lib/crd/objects.ts'
import type { Cluster } from '../../../lib/kubernetes/cluster.ts'
import { waitUntil } from '../../../local/process/wait.ts'
import type { PodContainer } from './execute.ts'

/** The ports of agnhost's `netexec` in every pod of the suite. */
export const ports = { tcp: 8080, udp: 8081 } as const

/** Time in which a pod runs, with the download of its image. */
const runningMs = 180_000

export interface RunningPod extends PodContainer {
  /** The pod's addresses, of each family that it has. */
  addresses: string[]
  /** Address of its node. */
  node: string
  labels: Record<string, string>
}

type PodWithAddresses = Pod & { status?: { podIPs?: { ip: string }[]; hostIP?: string } }

/** Starts a pod that is no challenge and waits for it. It may run where Pod Security demands `restricted`. */
export async function startProbePod(
  cluster: Cluster,
  { namespace, name, image }: { namespace: string; name: string; image: string },
  signal: AbortSignal,
): Promise<RunningPod> {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, labels: { app: name } },
    spec: {
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 0,
      securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: 'probe',
          image,
          args: ['netexec', `--http-port=${ports.tcp}`, `--udp-port=${ports.udp}`],
          ports: [{ containerPort: ports.tcp }, { containerPort: ports.udp, protocol: 'UDP' as const }],
          readinessProbe: { tcpSocket: { port: ports.tcp }, periodSeconds: 1 },
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
        },
      ],
    },
  }
  if ((await cluster.create(pod, signal)) === 'exists') throw new Error(`pod ${name} exists already`)
  return untilRunning(cluster, { namespace, name }, 'probe', signal)
}

/** Waits until a pod is Ready. @throws Error with its last state */
export async function untilRunning(
  cluster: Cluster,
  { namespace, name }: { namespace: string; name: string },
  container: string,
  signal: AbortSignal,
): Promise<RunningPod> {
  let last: PodWithAddresses | undefined
  const isReady = async () => {
    last = await cluster.get<PodWithAddresses>({ apiVersion: 'v1', kind: 'Pod', namespace, name }, signal)
    return last?.status?.conditions?.some(each => each.type === 'Ready' && each.status === 'True') ?? false
  }
  await waitUntil(`readiness of pod ${name}`, runningMs, isReady, signal).catch(cause => {
    throw new Error(`${cause.message}; it is ${JSON.stringify(last?.status ?? cause.cause)}`, { cause })
  })
  const { podIPs = [], hostIP = '' } = last?.status ?? {}
  const addresses = podIPs.map(({ ip }) => ip)
  const labels = last?.metadata.labels ?? {}
  return { namespace, pod: name, container, addresses, node: hostIP, labels }
}
