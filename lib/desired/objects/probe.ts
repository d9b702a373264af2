import type { TemplateProbe } from '../../crd/challenge-template.ts'
import type { Probe } from '../../crd/objects.ts'
import type { DeclaredPort } from '../ports.ts'

/**
 * Without a readiness probe a crashing container counts as Ready for 0.2 to 0.7 s per restart, so there always is
 * one where there is a TCP port. Two seconds keep a player's wait short; it is one connection on the node itself.
 */
const defaultPeriodSeconds = 2

/** @param ports of the probed container */
export function readinessProbe(
  probe: TemplateProbe | undefined,
  ports: readonly DeclaredPort[],
): Probe | undefined {
  const timing = {
    ...(probe?.initialDelaySeconds !== undefined && { initialDelaySeconds: probe.initialDelaySeconds }),
    ...(probe?.periodSeconds !== undefined && { periodSeconds: probe.periodSeconds }),
  }
  if (probe?.httpGet)
    return { httpGet: { path: probe.httpGet.path, port: probePort(probe.httpGet.port) }, ...timing }
  if (probe?.tcpSocket) return { tcpSocket: { port: probePort(probe.tcpSocket.port) }, ...timing }
  const first = ports.find(port => port.protocol === 'TCP')
  return first && { tcpSocket: { port: first.port }, periodSeconds: defaultPeriodSeconds, ...timing }
}

/** The schema lets "8080" through as a string, which Kubernetes would take for a name. */
export function probePort(port: number | string): number | string {
  return typeof port === 'string' && /^\d+$/.test(port) ? Number(port) : port
}
