import type { ChallengeInstance } from './crd/challenge-instance.ts'
import type { ChallengeTemplate } from './crd/challenge-template.ts'
import type { Problem } from './desired/problem.ts'
import { schemaProblem } from './environment/schema-problems.ts'
import { variablesProblem } from './environment/variable-problems.ts'

/**
 * Checks `spec.env` of an instance against the `envSchema` of its template and fills in the defaults of the schema.
 * Each schema is compiled once per process. ajv is loaded with the first schema, since most templates have none.
 * @returns the variables, or a problem: `EnvInvalid` of the instance, `TemplateInvalid` of the template
 */
export async function checkEnvironment(
  { spec: { env = {} } }: ChallengeInstance,
  template: ChallengeTemplate,
): Promise<{ env: Record<string, string> } | Problem> {
  const written = variablesProblem(env)
  if (written !== undefined) return invalidEnvironment(written)
  const schema = template.spec.envSchema
  if (schema === undefined) return { env: { ...env } }
  const dangerous = schemaProblem(schema)
  if (dangerous !== undefined) return invalidSchema(template, dangerous)
  const { compiledSchema, filledBy, stringsOf } = await import('./environment/validator.ts')
  const validate = compiledSchema(schema)
  if (typeof validate === 'string') return invalidSchema(template, validate)
  const filled = filledBy(validate, env)
  if (typeof filled === 'string') return invalidEnvironment(filled)
  const variables = stringsOf(filled)
  if (typeof variables === 'string') return invalidSchema(template, variables)
  const defaults = variablesProblem(variables)
  if (defaults !== undefined)
    return invalidSchema(template, `its defaults make an environment that ${defaults}`)
  return { env: variables }
}

/** @param problem continues "spec.env …" */
function invalidEnvironment(problem: string): Problem {
  return { reason: 'EnvInvalid', message: `spec.env ${problem}.` }
}

function invalidSchema({ metadata }: ChallengeTemplate, problem: string): Problem {
  return {
    reason: 'TemplateInvalid',
    message: `envSchema of ChallengeTemplate "${metadata.name}" cannot be used: ${problem}.`,
  }
}
