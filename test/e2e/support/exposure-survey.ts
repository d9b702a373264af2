import type { KubernetesClient } from '../../../lib/kubernetes/client/http.ts'
import { read } from './cluster-addresses.ts'
import type { Target } from './packets.ts'
import { ports, type RunningPod } from './probe-pod.ts'
import type { ObjectName, SuiteVariables } from './variables.ts'

const gatewayGroup = '/apis/gateway.networking.k8s.io'

/** Finds by which controllers the cluster can expose a challenge. */
export async function findControllers(
  client: KubernetesClient,
  { ingress, gateway, loadBalancer }: SuiteVariables,
  signal: AbortSignal,
): Promise<Record<'ingress' | 'http-route' | 'tls-route' | 'load-balancer', boolean>> {
  const exists = async (path: string) => (await client.request('GET', path, {}, signal)).status === 200
  const hasService = ({ namespace, name }: ObjectName) =>
    exists(`/api/v1/namespaces/${namespace}/services/${name}`)
  const hasClass = (name: string) => exists(`/apis/networking.k8s.io/v1/ingressclasses/${name}`)
  const hasGateway = ({ namespace, name }: ObjectName) =>
    exists(`${gatewayGroup}/v1/namespaces/${namespace}/gateways/${name}`)
  const gatewayServes =
    gateway !== undefined && (await hasGateway(gateway.gateway)) && (await hasService(gateway.service))
  return {
    ingress:
      ingress !== undefined && (await hasClass(ingress.className)) && (await hasService(ingress.service)),
    'http-route': gatewayServes && (await exists(`${gatewayGroup}/v1/httproutes`)),
    'tls-route': gatewayServes && (await servesTlsRoutes(client, signal)),
    'load-balancer': loadBalancer,
  }
}

async function servesTlsRoutes(client: KubernetesClient, signal: AbortSignal): Promise<boolean> {
  const { versions } = await read<{ versions: { version: string }[] }>(client, gatewayGroup, signal)
  const lists = await Promise.all(
    versions.map(({ version }) => client.request('GET', `${gatewayGroup}/${version}/tlsroutes`, {}, signal)),
  )
  return lists.some(({ status }) => status === 200)
}

/** Gives a pod a node port. @returns the port at the pod's own node */
export async function nodePortOf(
  { client, signal }: { client: KubernetesClient; signal: AbortSignal },
  { namespace, pod, node, labels }: RunningPod,
): Promise<Target> {
  const service = {
    metadata: { name: pod },
    spec: { type: 'NodePort', selector: labels, ports: [{ port: ports.tcp }] },
  }
  const path = `/api/v1/namespaces/${namespace}/services`
  const { status, body } = await client.request('POST', path, { body: service }, signal)
  if (status !== 201) throw new Error(`Service ${pod}: ${JSON.stringify(body)}`)
  const { spec } = body as { spec: { ports: { nodePort: number }[] } }
  return { host: node, port: spec.ports[0]?.nodePort ?? 0 }
}
