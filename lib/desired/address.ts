import type { Endpoint } from '../crd/challenge-instance.ts'
import type { Identity } from './identity.ts'
import type { DeclaredPort } from './ports.ts'

/** The addresses of an instance inside the cluster: one endpoint for each port, under the DNS name of its Service. */
export function endpoints({ name, namespace }: Identity, ports: readonly DeclaredPort[]): Endpoint[] {
  const host = `${name}.${namespace}.svc.cluster.local`
  return ports.map(({ name, port, protocol, appProtocol }) => ({
    name,
    protocol,
    host,
    port,
    url: `${scheme(protocol, appProtocol)}://${host}:${port}`,
  }))
}

/** A TCP port without `appProtocol` counts as HTTP, since most challenges are web pages. */
export function scheme(protocol: string, appProtocol: string | undefined): string {
  return protocol === 'UDP' ? 'udp' : (appProtocol ?? 'http')
}
