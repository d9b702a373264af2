import type { FunctionConfiguration } from '@aws-sdk/client-lambda'
import { type DeployedFunction, deployedFunctions } from '../../lib/config/reference.ts'
import type { Check, Finding } from '../../lib/doctor/check.ts'
import { environmentProblems } from '../plugin/environment-check.ts'
import { roleName } from '../plugin/names.ts'
import { judged, named } from './ask.ts'
import { credentialsRemedy, deployRemedy, revertRemedy } from './remedies.ts'
import type { Stack } from './stack.ts'

/** Whether each function is there and runs, and with which configuration. */
export function functionChecks(stack: Stack): Check[] {
  const remedy = credentialsRemedy
  return [
    {
      name: 'functions',
      needs: 'stack',
      remedy,
      async look(signal) {
        const deployment = await deploymentOf(stack, signal)
        const findings = deployedFunctions.map(async name => {
          const answer = await stack.configuration(name, signal)
          const judge = (each: FunctionConfiguration) =>
            judgeFunction(each, { ...deployment, role: roleOf(name, stack), stage: stack.stage })
          return named(name, judged(answer, judge, { problem: 'it does not exist', remedy: revertRemedy }))
        })
        return (await Promise.all(findings)).flat()
      },
    },
    {
      name: 'configuration',
      needs: 'stack',
      remedy,
      async look(signal) {
        const variables = await variablesOf(stack, signal)
        const problems = environmentProblems(name => ({
          ...variables[name],
          AWS_REGION: stack.file.region,
        }))
        if (problems.length === 0) return { fine: 'each function can read its own' }
        const mend = `correct deploy.${stack.stage}.yml, then ${deployRemedy(stack)}`
        return problems.map(problem => ({ problem, remedy: mend }))
      },
    },
  ]
}

function roleOf(name: DeployedFunction, { file }: Stack): string {
  return roleName({ cluster: file.cluster.name, region: file.region }, name)
}

type Variables = Record<string, string>

/** The variables of each function that can be read. */
export async function variablesOf(
  stack: Stack,
  signal: AbortSignal,
): Promise<Record<DeployedFunction, Variables>> {
  const entries = deployedFunctions.map(async name => {
    const found = await stack.configuration(name, signal)
    return [name, 'answer' in found ? (found.answer.Environment?.Variables ?? {}) : {}] as const
  })
  return Object.fromEntries(await Promise.all(entries)) as Record<DeployedFunction, Variables>
}

interface Deployment {
  /** The value of OPERATOR_STACK. */
  owner: string
  /** When the latest function was deployed, RFC 3339. */
  deployedAt: string
}

async function deploymentOf(stack: Stack, signal: AbortSignal): Promise<Deployment> {
  const { account } = await stack.identity(signal)
  const times = Object.values(await variablesOf(stack, signal)).flatMap(
    ({ OPERATOR_DEPLOYED_AT: time }) => time ?? [],
  )
  const owner = `${account}/${stack.file.region}/${stack.name}`
  return { owner, deployedAt: times.toSorted().at(-1) ?? '' }
}

/** Judges what Lambda says of a function. */
export function judgeFunction(
  found: FunctionConfiguration,
  { owner, deployedAt, role, stage }: Deployment & { role: string; stage: string },
): Finding[] {
  const deploy = deployRemedy({ stage })
  const {
    State = 'Active',
    StateReason = '',
    LastUpdateStatus = 'Successful',
    MemorySize,
    Environment,
  } = found
  const { OPERATOR_STACK: stackSaid, OPERATOR_DEPLOYED_AT: timeSaid } = Environment?.Variables ?? {}
  const problems: Finding[] = []
  const add = (problem: string, remedy = deploy) => problems.push({ problem, remedy })
  if (State === 'Failed') add(`it is Failed: ${StateReason}`)
  if (LastUpdateStatus === 'Failed') add(`its last update failed: ${found.LastUpdateStatusReason ?? ''}`)
  if (Environment?.Error)
    add(
      `its variables cannot be read: ${Environment.Error.ErrorCode ?? 'an error'}`,
      'ask for kms:Decrypt on the key that encrypts them',
    )
  else if (stackSaid !== owner)
    add(`it says that it belongs to ${stackSaid ?? 'no stack'}, and not to ${owner}`)
  else if (timeSaid !== deployedAt)
    add(`it is of the deployment of ${timeSaid}, and another one of ${deployedAt}`)
  if (found.Role !== undefined && !found.Role.endsWith(`/${role}`))
    add(`its role is ${found.Role}, and not ${role}`)
  if (problems.length > 0) return problems
  if (State !== 'Active') return [{ note: `it is ${State}; look again in a minute` }]
  return [{ fine: `active, ${MemorySize} MB, deployed at ${timeSaid}` }]
}
