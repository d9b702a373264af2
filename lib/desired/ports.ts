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

export function withProtocol(port: TemplatePort): DeclaredPort {
  return { ...port, protocol: port.protocol ?? 'TCP' }
}
