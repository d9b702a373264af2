import type { KubernetesClient } from '../../../lib/kubernetes/client/http.ts'
import type { Target } from './packets.ts'

interface EndpointSlices {
  items: { endpoints: { addresses: string[] }[]; ports: { port: number }[] }[]
}

/** The API server as a pod can address it: the Service `kubernetes`, and each endpoint behind it. */
export async function apiServerTargets(client: KubernetesClient, signal: AbortSignal): Promise<Target[]> {
  const service = await read<{ spec: { clusterIP: string; ports: { port: number }[] } }>(
    client,
    '/api/v1/namespaces/default/services/kubernetes',
    signal,
  )
  return [
    { host: service.spec.clusterIP, port: service.spec.ports[0]?.port ?? 443 },
    ...(await apiServerEndpoints(client, signal)),
  ]
}

/** The addresses of every node and of the API server, as ranges of one address. */
export async function nodeRanges(client: KubernetesClient, signal: AbortSignal): Promise<string[]> {
  const nodes = await read<{ items: { status?: { addresses?: { type: string; address: string }[] } }[] }>(
    client,
    '/api/v1/nodes',
    signal,
  )
  const ofNodes = nodes.items
    .flatMap(({ status }) => status?.addresses ?? [])
    .filter(({ type }) => type === 'InternalIP' || type === 'ExternalIP')
    .map(({ address }) => address)
  const ofServer = (await apiServerEndpoints(client, signal)).map(({ host }) => host)
  return [...new Set([...ofNodes, ...ofServer])].map(each => `${each}/${each.includes(':') ? 128 : 32}`)
}

async function apiServerEndpoints(client: KubernetesClient, signal: AbortSignal): Promise<Target[]> {
  const slices = await read<EndpointSlices>(
    client,
    '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes',
    signal,
  )
  return slices.items.flatMap(({ endpoints, ports }) =>
    endpoints.flatMap(({ addresses }) =>
      addresses.flatMap(host => ports.map(({ port }) => ({ host, port }))),
    ),
  )
}

/** @throws Error with the server's answer if it is no success */
export async function read<T>(client: KubernetesClient, path: string, signal: AbortSignal): Promise<T> {
  const { status, body } = await client.request('GET', path, {}, signal)
  if (status !== 200) throw new Error(`GET ${path}: ${status} ${JSON.stringify(body)}`)
  return body as T
}
