import type { Endpoint } from '../crd/challenge-instance.ts'
import type { Identity } from './identity.ts'
import type { DeclaredPort } from './ports.ts'

/** Inside the cluster: the Service's name, one endpoint a port; the first one's URL is the instance's. */
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

/** A TCP port that does not say what it speaks is a web page: most are. */
function scheme(protocol: string, appProtocol: string | undefined): string {
  return protocol === 'UDP' ? 'udp' : (appProtocol ?? 'http')
}
