import type { TemplateContainer, TemplateProbe } from '../../crd/challenge-template.ts'
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
  const question = probeQuestion(probe, ports)
  if (question === undefined) return undefined
  const isDefault = probe?.httpGet === undefined && probe?.tcpSocket === undefined
  return {
    ...question,
    ...(isDefault && { periodSeconds: defaultPeriodSeconds }),
    ...(probe?.initialDelaySeconds !== undefined && { initialDelaySeconds: probe.initialDelaySeconds }),
    ...(probe?.periodSeconds !== undefined && { periodSeconds: probe.periodSeconds }),
  }
}

/**
 * Asks the same as the readiness probe, and gives the container `startupSeconds` to answer for the first time. The
 * kubelet restarts a container that does not. The first probe comes at once, so n probes take n - 1 periods.
 */
export function startupProbe(
  { readinessProbe: probe, startupSeconds }: Pick<TemplateContainer, 'readinessProbe' | 'startupSeconds'>,
  ports: readonly DeclaredPort[],
): Probe | undefined {
  const question = probeQuestion(probe, ports)
  if (question === undefined || startupSeconds === undefined) return undefined
  const periodSeconds = Math.min(probe?.periodSeconds ?? defaultPeriodSeconds, defaultPeriodSeconds)
  return { ...question, periodSeconds, failureThreshold: Math.ceil(startupSeconds / periodSeconds) + 1 }
}

function probeQuestion(
  probe: TemplateProbe | undefined,
  ports: readonly DeclaredPort[],
): Pick<Probe, 'httpGet' | 'tcpSocket'> | undefined {
  if (probe?.httpGet) return { httpGet: { path: probe.httpGet.path, port: probePort(probe.httpGet.port) } }
  if (probe?.tcpSocket) return { tcpSocket: { port: probePort(probe.tcpSocket.port) } }
  const first = ports.find(port => port.protocol === 'TCP')
  return first && { tcpSocket: { port: first.port } }
}

/** Turns "8080" into a number: the schema accepts it as a string, and Kubernetes would take it for a name. */
export function probePort(port: number | string): number | string {
  return typeof port === 'string' && /^\d+$/.test(port) ? Number(port) : port
}
