import type { GatewayListener } from '../../crd/objects.ts'

/** The protocols of listeners that take an HTTPRoute. */
const webProtocols: ReadonlySet<string> = new Set(['HTTP', 'HTTPS'])

/**
 * Returns whether players reach the host of an HTTPRoute by TLS, as far as the listeners of the Gateway say. Where some end
 * TLS and others do not, players come by TLS.
 * @param section the one listener that routes name; undefined: any
 */
export function listenersEndTls(
  listeners: readonly GatewayListener[],
  host: string,
  section: string | undefined,
): boolean {
  const ours = listeners.filter(
    ({ name, hostname, protocol }) =>
      webProtocols.has(protocol) && (section === undefined || name === section) && serves(hostname, host),
  )
  return ours.length === 0 || ours.some(({ protocol }) => protocol === 'HTTPS')
}

/** A listener without a host serves all of them, and `*.example.com` those below the domain. */
function serves(hostname: string | undefined, host: string): boolean {
  if (hostname === undefined || hostname === '' || hostname === host) return true
  return hostname.startsWith('*.') && host.endsWith(hostname.slice(1))
}
