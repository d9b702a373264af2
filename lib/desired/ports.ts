import type { ChallengeTemplateSpec, TemplatePort } from '../crd/challenge-template.ts'

export type DeclaredPort = TemplatePort & { protocol: 'TCP' | 'UDP' }

/** The ports of a template without `ports`. */
const defaultPorts: TemplatePort[] = [{ name: 'http', port: 8080 }]

/** The ports of the first container. */
export function firstPorts({ ports = defaultPorts }: Pick<ChallengeTemplateSpec, 'ports'>): DeclaredPort[] {
  return ports.map(withProtocol)
}

/** The ports of all containers, which the Service and the NetworkPolicy open. */
export function declaredPorts(spec: Pick<ChallengeTemplateSpec, 'ports' | 'containers'>): DeclaredPort[] {
  const further = (spec.containers ?? []).flatMap(container => container.ports ?? [])
  return [...firstPorts(spec), ...further.map(withProtocol)]
}

/** The port that the template's exposure names, by number or name; without one the first port. Undefined: none is declared so. */
export function exposedPort(
  spec: Pick<ChallengeTemplateSpec, 'ports' | 'containers' | 'exposure'>,
): DeclaredPort | undefined {
  const ports = declaredPorts(spec)
  const wanted = spec.exposure?.port
  if (wanted === undefined) return ports[0]
  return ports.find(({ name, port }) => String(port) === String(wanted) || name === wanted)
}

export function withProtocol(port: TemplatePort): DeclaredPort {
  return { ...port, protocol: port.protocol ?? 'TCP' }
}
