import { type DeployedFunction, deployedFunctions } from '../../lib/config/reference.ts'
import { type Environment, OperatorMisconfigured, readConfig } from '../../lib/config/section.ts'
import { sectionsOf } from './functions.ts'

/** Where a user sets a variable that the file of the cluster names otherwise. */
const places: Record<string, string> = {
  EKS_CLUSTER_NAME: 'cluster.name',
  EKS_CLUSTER_ENDPOINT: 'cluster.endpoint',
  EKS_CLUSTER_CA: 'cluster.ca',
  DATABASE_URL: 'secrets.databaseUrl, or the environment of this command',
  FLAG_SECRET: 'secrets.flagSecret, or the environment of this command',
  FLAG_HMAC_PEPPER: 'secrets.flagHmacPepper, or the environment of this command',
}

/** Bytes of the names and values of a function's variables together, AWS's limit. */
const environmentLimit = 4096

/**
 * Reads the configuration of every function as the function will at its start, and what only a deployment can judge.
 * @returns one sentence for each problem, with the functions that have it
 */
export function environmentProblems(environmentOf: (name: DeployedFunction) => Environment): string[] {
  const functionsByProblem = new Map<string, string[]>()
  for (const name of deployedFunctions)
    for (const problem of problemsOf(name, environmentOf(name)))
      functionsByProblem.set(problem, [...(functionsByProblem.get(problem) ?? []), name])
  return [...functionsByProblem].map(([problem, names]) => `${placed(problem)} (${names.join(', ')})`)
}

function problemsOf(name: DeployedFunction, environment: Environment): string[] {
  const problems: string[] = []
  const makesFlags = name === 'reconcile'
  if (makesFlags && !environment.FLAG_SECRET && !environment.FLAG_SECRET_SECRET_ARN)
    problems.push('FLAG_SECRET is not set; no instance would have a flag of its own')
  const bytes = Object.entries(environment)
    .map(([key, value]) => Buffer.byteLength(key) + Buffer.byteLength(value ?? ''))
    .reduce((sum, each) => sum + each, 0)
  if (bytes > environmentLimit)
    problems.push(
      `The variables have ${bytes} bytes, and Lambda accepts ${environmentLimit}; shorten the lists of the file`,
    )
  try {
    readConfig(environment, sectionsOf[name])
  } catch (thrown) {
    if (!(thrown instanceof OperatorMisconfigured)) throw thrown
    problems.push(...thrown.problems)
  }
  return problems
}

function placed(problem: string): string {
  const [name = ''] = problem.split(' ', 1)
  const place = places[name]
  return place === undefined ? problem : problem.replace(name, `${name} (${place})`)
}
