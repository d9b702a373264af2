import type { ChallengeInstance } from './crd/challenge-instance.ts'
import type { ChallengeTemplate } from './crd/challenge-template.ts'
import { environmentFault } from './environment/names.ts'
import { schemaFault } from './environment/schema-fault.ts'

/** Whose fault it is: the instance's, or the template's. The message says what to write instead. */
export interface EnvironmentRefusal {
  refused: 'EnvInvalid' | 'TemplateInvalid'
  message: string
}

/**
 * What an instance says in `spec.env`, checked against the template's `envSchema` and with its defaults.
 * A schema is compiled once per process; ajv is loaded with the first one, since most templates have none.
 */
export async function checkEnvironment(
  { spec: { env = {} } }: ChallengeInstance,
  template: ChallengeTemplate,
): Promise<{ env: Record<string, string> } | EnvironmentRefusal> {
  const own = environmentFault(env)
  if (own !== undefined) return { refused: 'EnvInvalid', message: `spec.env ${own}.` }
  const schema = template.spec.envSchema
  if (schema === undefined) return { env: { ...env } }
  const unusable = (why: string): EnvironmentRefusal => ({
    refused: 'TemplateInvalid',
    message: `envSchema of ChallengeTemplate "${template.metadata.name}" cannot be used: ${why}.`,
  })
  const broken = schemaFault(schema)
  if (broken !== undefined) return unusable(broken)
  const { checkAgainst } = await import('./environment/validator.ts')
  const checked = checkAgainst(schema, env)
  if ('schemaFault' in checked) return unusable(checked.schemaFault)
  if ('fault' in checked) return { refused: 'EnvInvalid', message: `spec.env ${checked.fault}.` }
  const filled = environmentFault(checked.values)
  if (filled !== undefined) return unusable(`its defaults make an environment that ${filled}`)
  return { env: checked.values }
}
