import type { ChallengeTemplateSpec, TemplatePort } from '../crd/challenge-template.ts'

export type DeclaredPort = TemplatePort & { protocol: 'TCP' | 'UDP' }

/** What a template without `ports` declares. */
const defaultPorts: TemplatePort[] = [{ name: 'http', port: 8080 }]

/** Ports of the first container. */
export function firstPorts({ ports = defaultPorts }: Pick<ChallengeTemplateSpec, 'ports'>): DeclaredPort[] {
  return ports.map(withProtocol)
}

/** Ports of the whole pod, which its Service and its policy open. */
export function declaredPorts(spec: Pick<ChallengeTemplateSpec, 'ports' | 'containers'>): DeclaredPort[] {
  const further = (spec.containers ?? []).flatMap(container => container.ports ?? [])
  return [...firstPorts(spec), ...further.map(withProtocol)]
}

export function withProtocol(port: TemplatePort): DeclaredPort {
  return { ...port, protocol: port.protocol ?? 'TCP' }
}
