import type { TemplateContainer } from '../../crd/challenge-template.ts'
import type { Container, EnvVar } from '../../crd/objects.ts'
import type { DeclaredPort } from '../ports.ts'
import { readinessProbe, startupProbe } from './probe.ts'

/** The limit of a container whose template sets none. */
export const defaultEphemeralStorage = '256Mi'

export interface ContainerInput {
  name: string
  from: TemplateContainer
  ports: readonly DeclaredPort[]
  env: EnvVar[]
}

/** Builds the first container of a pod, and every further one. */
export function container({ name, from, ports, env }: ContainerInput): Container {
  const granted = {
    cpu: String(from.resources.cpu),
    memory: String(from.resources.memory),
    'ephemeral-storage': String(from.ephemeralStorage ?? defaultEphemeralStorage),
  }
  const probe = readinessProbe(from.readinessProbe, ports)
  const startup = startupProbe(from, ports)
  return {
    name,
    image: from.image,
    ...(from.command && { command: from.command }),
    ...(from.args && { args: from.args }),
    env,
    ...(ports.length > 0 && {
      ports: ports.map(({ name, port, protocol }) => ({ name, containerPort: port, protocol })),
    }),
    resources: { requests: granted, limits: granted },
    ...(probe && { readinessProbe: probe }),
    ...(startup && { startupProbe: startup }),
    securityContext: {
      allowPrivilegeEscalation: false,
      privileged: false,
      readOnlyRootFilesystem: from.writableRootFilesystem === false,
      capabilities: {
        drop: ['ALL'],
        ...(from.capabilities?.length && { add: [...from.capabilities].sort() }),
      },
    },
  }
}
