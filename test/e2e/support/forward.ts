import { Duplex, PassThrough } from 'node:stream'
import { PortForward } from '@kubernetes/client-node'
import type { KubernetesClient } from '../../../lib/kubernetes/client/http.ts'
import { read } from './cluster-addresses.ts'
import { readKubeconfig } from './kubeconfig.ts'
import type { ObjectName } from './variables.ts'

interface Slices {
  items: {
    endpoints: { conditions?: { ready?: boolean }; targetRef?: { kind: string; name: string } }[]
    ports: { name?: string; port: number }[]
  }[]
}

/** Opens a connection, through the API server, to a port of a Service. */
export type Forward = (service: ObjectName, port: number) => Promise<Duplex>

/**
 * Returns a function that connects to a pod behind a Service, as `kubectl port-forward` does. It stands for a player: the
 * connection begins at the listener of the controller, and everything behind that is the cluster's own way. So neither the
 * test's machine nor a pod needs an address of the controller.
 */
export function openForward(kubeconfig: string, client: KubernetesClient, signal: AbortSignal): Forward {
  const forward = new PortForward(readKubeconfig(kubeconfig))
  return async ({ namespace, name }, port) => {
    const service = await read<{ spec: { ports: { name?: string; port: number }[] } }>(
      client,
      `/api/v1/namespaces/${namespace}/services/${name}`,
      signal,
    )
    const wanted = service.spec.ports.find(each => each.port === port)
    if (wanted === undefined) throw new Error(`Service ${namespace}/${name} has no port ${port}`)
    const { items }: Slices = await read(
      client,
      `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3D${name}`,
      signal,
    )
    const targets = items.flatMap(({ endpoints, ports }) =>
      endpoints.flatMap(({ conditions, targetRef }) =>
        conditions?.ready !== false && targetRef?.kind === 'Pod'
          ? ports.filter(each => each.name === wanted.name).map(each => ({ pod: targetRef.name, ...each }))
          : [],
      ),
    )
    const [target] = targets
    if (target === undefined) throw new Error(`Service ${namespace}/${name} leads to no pod`)
    const [toPod, fromPod] = [new PassThrough(), new PassThrough()]
    const socket = await forward.portForward(namespace, target.pod, [target.port], fromPod, null, toPod)
    if (typeof socket === 'function') throw new Error('the connection has no socket')
    socket.onclose = () => fromPod.end()
    const connection = Duplex.from({ writable: toPod, readable: fromPod })
    connection.once('close', () => socket.close())
    return connection
  }
}
