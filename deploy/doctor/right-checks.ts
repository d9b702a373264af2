import { type EvaluationResult, SimulatePrincipalPolicyCommand } from '@aws-sdk/client-iam'
import { partitionOf } from '../../lib/aws/partition.ts'
import { runLimited } from '../../lib/concurrency.ts'
import type { DeployedFunction } from '../../lib/config/reference.ts'
import type { Check, Finding } from '../../lib/doctor/check.ts'
import type { ClusterFile } from '../plugin/cluster-file.ts'
import { roleName } from '../plugin/names.ts'
import { ask, judged, named } from './ask.ts'
import type { Expected, Grant } from './expected.ts'
import { credentialsRemedy, deployRemedy, revertRemedy } from './remedies.ts'
import type { Stack } from './stack.ts'

/** Milliseconds for some thirty questions. IAM answers a few a second. */
const limitMs = 90_000
const sideBySide = 3

/** Asks IAM whether each function may do what it does. IAM counts boundaries and policies of the organization, too. */
export function rightsCheck(stack: Stack, expected: Expected): Check {
  return {
    name: 'rights',
    needs: 'stack',
    remedy: credentialsRemedy,
    limitMs,
    async look(signal) {
      const needed = await rightsOf(stack, expected.grants, signal)
      const findings = (await runLimited(needed, sideBySide, each => findingOf(each, stack, signal))).flat()
      // A user who may not ask is told so once for each function.
      return [...new Map(findings.map(each => [JSON.stringify(each), each])).values()]
    },
  }
}

/** Actions of one function on one resource. */
export interface Right {
  functionName: DeployedFunction
  actions: string[]
  arn: string
  context: Grant['context']
}

/** Returns what the roles have to grant, with the ARNs of this stack. A resource that the stack lacks has a line elsewhere. */
async function rightsOf(stack: Stack, grants: readonly Grant[], signal: AbortSignal): Promise<Right[]> {
  const rights: Right[] = []
  for (const grant of grants) {
    const arn = await arnOf(grant, stack, signal)
    if (arn) rights.push({ ...grant, actions: actionsOn(arn, grant.actions), arn })
  }
  return merged(rights)
}

async function arnOf(
  { resource, condition }: Grant,
  stack: Stack,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (resource === '*') return stack.file.vpc === undefined ? undefined : '*'
  if ('attribute' in resource) return stack.arnOf(resource.attribute, signal)
  return holds(condition, stack.file) ? parameterOf(resource.parameter, stack.file) : undefined
}

/** Whether a condition of deploy/resources/secrets.yml holds. Most say only that their parameter is not empty. */
function holds(condition: string | undefined, { secrets }: ClusterFile): boolean {
  return condition !== 'HasTracingHeadersKey' || secrets.tracingHeaders !== ''
}

/** The values of the parameters in deploy/resources/secrets.yml; empty: what it names is not used. */
export function parameterOf(name: string, { secrets, databaseUser }: ClusterFile): string {
  const values: Record<string, string> = {
    DatabaseSecretArn: secrets.databaseUrl,
    FlagSecretArn: secrets.flagSecret,
    FlagHmacPepperArn: secrets.flagHmacPepper,
    TracingHeadersArn: secrets.tracingHeaders,
    SecretsKeyArn: secrets.kmsKey,
    DatabaseUserArn: databaseUser,
  }
  return values[name] ?? ''
}

/** Of the actions of two services on a secret, those of the service that has it. */
export function actionsOn(arn: string, actions: readonly string[]): string[] {
  const service = arn.split(':')[2] ?? ''
  const own = actions.filter(each => each.startsWith(`${service}:`))
  return own.length > 0 ? own : [...actions]
}

/** One right for each function and resource. */
export function merged(rights: readonly Right[]): Right[] {
  const byKey = Map.groupBy(rights, ({ functionName, arn, context }) =>
    JSON.stringify([functionName, arn, context]),
  )
  return [...byKey.values()].flatMap(([first, ...others]) =>
    first === undefined
      ? []
      : { ...first, actions: [...new Set([first, ...others].flatMap(({ actions }) => actions))] },
  )
}

async function findingOf(right: Right, stack: Stack, abortSignal: AbortSignal): Promise<Finding[]> {
  const { account } = await stack.identity(abortSignal)
  const { region, cluster } = stack.file
  const role = roleName({ cluster: cluster.name, region }, right.functionName)
  const question = new SimulatePrincipalPolicyCommand({
    PolicySourceArn: `arn:${partitionOf(region)}:iam::${account}:role/${role}`,
    ActionNames: right.actions,
    ResourceArns: [right.arn],
    ContextEntries: contextOf(right, region),
  })
  const answer = await ask('iam:SimulatePrincipalPolicy', () =>
    stack.clients.iam.send(question, { abortSignal }),
  )
  const judge = ({ EvaluationResults = [] }: { EvaluationResults?: EvaluationResult[] | undefined }) =>
    judgeRight(right, EvaluationResults)
  const whenMissing = {
    problem: `its role ${role} does not exist`,
    remedy: deployRemedy(stack),
  }
  return named(right.functionName, judged(answer, judge, whenMissing))
}

/** Returns what a request tells IAM, where a statement asks for it: the first value that the statement accepts. */
export function contextOf({ context }: Pick<Right, 'context'>, region: string) {
  return context.map(({ key, values: [value] }) => ({
    ContextKeyName: key,
    ContextKeyType: 'string' as const,
    ContextKeyValues: [textOf(value, region)],
  }))
}

function textOf(value: unknown, region: string): string {
  const text = String((value as { 'Fn::Sub'?: string } | undefined)?.['Fn::Sub'] ?? value)
  const domain = partitionOf(region) === 'aws-cn' ? 'amazonaws.com.cn' : 'amazonaws.com'
  return text.replace(/\$\{AWS::Region\}/, region).replace(/\$\{AWS::URLSuffix\}/, domain)
}

/** Judges the decisions of IAM about the actions on one resource. */
export function judgeRight({ actions, arn }: Right, results: readonly EvaluationResult[]): Finding[] {
  const on = arn === '*' ? 'all resources' : arn.split(':').slice(5).join(':')
  const decisions = actions.map(action => ({
    action,
    result: results.find(each => each.EvalActionName === action),
  }))
  const undecided = decisions.filter(({ result }) => result?.EvalDecision === undefined)
  if (undecided.length > 0) return [{ unknown: `IAM decides nothing about ${undecided[0]?.action} on ${on}` }]
  const denied = decisions.filter(({ result }) => result?.EvalDecision !== 'allowed')
  if (denied.length === 0) return [{ fine: `${actions.join(', ')} on ${on}` }]
  return denied.map(({ action, result }) => ({
    problem: `its role may not ${action} on ${on} (${result?.EvalDecision})`,
    remedy: remedyOf(result),
  }))
}

function remedyOf(result: EvaluationResult | undefined): string {
  if (result?.OrganizationsDecisionDetail?.AllowedByOrganizations === false)
    return 'a service control policy of the organization forbids it; who manages the organization has to allow it'
  if (result?.PermissionsBoundaryDecisionDetail?.AllowedByPermissionsBoundary === false)
    return "the roles' permissions boundary (permissionsBoundary in the file of the cluster) forbids it; who manages it has to allow it"
  const policies =
    result?.MatchedStatements?.map(({ SourcePolicyId }) => SourcePolicyId).filter(Boolean) ?? []
  if (result?.EvalDecision === 'explicitDeny')
    return `a policy denies it${policies.length > 0 ? ` (${policies.join(', ')})` : ''}; remove that from the role`
  return revertRemedy
}
