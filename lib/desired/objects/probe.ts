import type { TemplateProbe } from '../../crd/challenge-template.ts'
import type { Probe } from '../../crd/objects.ts'
import type { DeclaredPort } from '../ports.ts'

/**
 * Every container with a TCP port has a readiness probe, since a crashing one without a probe counts as Ready for 0.2
 * to 0.7 s per restart. A period of two seconds keeps a player's wait short and costs one connection on the node.
 */
const defaultPeriodSeconds = 2

/** @param ports ports of the probed container */
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

/** Turns "8080" into a number: the schema accepts it as a string, and Kubernetes would take it for a name. */
export function probePort(port: number | string): number | string {
  return typeof port === 'string' && /^\d+$/.test(port) ? Number(port) : port
}
