import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import { type DeployedFunction, deployedFunctions } from '../../lib/config/reference.ts'

/** What this release deploys, by the logical ids of `deploy/resources/`. */
export interface Expected {
  queues: Record<string, ExpectedQueue>
  grants: Grant[]
  functions: Record<DeployedFunction, ExpectedFunction>
}

export interface ExpectedQueue {
  isFifo: boolean
  visibilitySeconds: number | undefined
  retentionSeconds: number | undefined
  redrive: { target: string; receives: number } | undefined
}

export interface ExpectedFunction {
  timeoutSeconds: number
  /** The queues that invoke it. */
  sources: { queue: string; reportsFailures: boolean }[]
  hasSchedule: boolean
  /** Events of the stack's bus invoke it. */
  hasPattern: boolean
}

/** Actions that the role of a function has on one resource. */
export interface Grant {
  functionName: DeployedFunction
  actions: string[]
  /** `attribute`: the ARN of a resource of the stack. `parameter`: a parameter of the stack. */
  resource: { attribute: string } | { parameter: string } | '*'
  /** The condition under which the stack has it, if it has one. */
  condition: string | undefined
  /** What the statement asks of a request, and the values that it accepts. */
  context: { key: string; values: unknown[] }[]
}

interface Resource {
  Type: string
  Condition?: string
  Properties?: Record<string, unknown>
}

interface Statement {
  Effect: string
  Action: string | string[]
  Resource: unknown
  Condition?: Record<string, Record<string, unknown>>
}

interface ServerlessFunction {
  timeout: number
  events: {
    schedule?: string
    eventBridge?: unknown
    sqs?: { arn: unknown; functionResponseType?: string }
  }[]
}

const root = join(import.meta.dirname, '../..')

/** Reads `serverless.yml` and the resources that it includes. */
export async function readExpected(): Promise<Expected> {
  const read = async (file: string): Promise<unknown> =>
    parseTemplate(await readFile(join(root, file), 'utf8'))
  const resourcesOf = async (name: string) =>
    ((await read(`deploy/resources/${name}.yml`)) as { Resources: Record<string, Resource> }).Resources
  const [queues, roles, secrets, network, service] = await Promise.all([
    resourcesOf('queues'),
    resourcesOf('roles'),
    resourcesOf('secrets'),
    resourcesOf('network'),
    read('serverless.yml') as Promise<{ functions: Record<string, ServerlessFunction> }>,
  ])
  return {
    queues: Object.fromEntries(Object.entries(queues).map(([name, each]) => [name, queueOf(each)])),
    grants: [...grantsOf(roles), ...grantsOf(secrets), ...grantsOf(network)],
    functions: functionsOf(service.functions),
  }
}

/** Parses YAML with the short forms of CloudFormation's functions. Those of osls, `${…}`, stay as they are. */
export function parseTemplate(text: string): unknown {
  const scalar = (tag: string, resolve: (value: string) => unknown) => ({ tag, resolve })
  const customTags = [
    scalar('!GetAtt', value => ({ 'Fn::GetAtt': value.split('.') })),
    scalar('!Ref', value => ({ Ref: value })),
    scalar('!Sub', value => ({ 'Fn::Sub': value })),
  ]
  // Other tags stand in conditions, which are not read.
  return parse(text, { customTags, logLevel: 'silent' })
}

function queueOf({ Properties = {} }: Resource): ExpectedQueue {
  const { FifoQueue, VisibilityTimeout, MessageRetentionPeriod, RedrivePolicy } = Properties
  const { deadLetterTargetArn, maxReceiveCount } = (RedrivePolicy ?? {}) as Record<string, unknown>
  const target = attributeIn(deadLetterTargetArn)
  return {
    isFifo: FifoQueue === true,
    visibilitySeconds: VisibilityTimeout as number | undefined,
    retentionSeconds: MessageRetentionPeriod as number | undefined,
    redrive: target === undefined ? undefined : { target, receives: Number(maxReceiveCount) },
  }
}

/** The name of a function's role is that of the function. */
const roleOf = (name: DeployedFunction) =>
  `${name.replaceAll(/(^|-)(\w)/g, (_, _dash, letter: string) => letter.toUpperCase())}Role`

function grantsOf(resources: Record<string, Resource>): Grant[] {
  return Object.entries(resources).flatMap(([name, { Type, Condition, Properties = {} }]) => {
    const isRole = Type === 'AWS::IAM::Role'
    const holders = isRole ? [name] : ((Properties.Roles ?? []) as { Ref: string }[]).map(({ Ref }) => Ref)
    const policies = isRole ? (Properties.Policies as Record<string, unknown>[]) : [Properties]
    const statements = policies.flatMap(
      each => (each.PolicyDocument as { Statement: Statement[] } | undefined)?.Statement ?? [],
    )
    return deployedFunctions
      .filter(each => holders.includes(roleOf(each)))
      .flatMap(functionName =>
        statements.flatMap(each => grantsIn(each, { functionName, condition: Condition })),
      )
  })
}

function grantsIn(
  { Effect, Action, Resource: on, Condition = {} }: Statement,
  holder: Pick<Grant, 'functionName' | 'condition'>,
): Grant[] {
  if (Effect !== 'Allow') return []
  const actions = [Action].flat()
  const context = Object.values(Condition)
    .flatMap(each => Object.entries(each))
    .map(([key, value]) => ({ key, values: [value].flat() }))
  return [on].flat().map(each => {
    const attribute = attributeIn(each)
    if (attribute !== undefined) return { ...holder, actions, context, resource: { attribute } }
    const parameter = (each as { Ref?: string }).Ref
    return { ...holder, actions, context, resource: parameter === undefined ? '*' : { parameter } }
  })
}

function functionsOf(functions: Record<string, ServerlessFunction>): Expected['functions'] {
  const entries = deployedFunctions.map(name => {
    const { timeout, events } = functions[name] ?? { timeout: 0, events: [] }
    const sources = events.flatMap(({ sqs }) => {
      const queue = attributeIn(sqs?.arn)
      const reportsFailures = sqs?.functionResponseType === 'ReportBatchItemFailures'
      return queue === undefined ? [] : [{ queue, reportsFailures }]
    })
    const hasSchedule = events.some(({ schedule }) => schedule !== undefined)
    const hasPattern = events.some(({ eventBridge }) => eventBridge !== undefined)
    return [name, { timeoutSeconds: timeout, sources, hasSchedule, hasPattern }] as const
  })
  return Object.fromEntries(entries) as Expected['functions']
}

function attributeIn(value: unknown): string | undefined {
  const attribute = (value as { 'Fn::GetAtt'?: string[] } | undefined)?.['Fn::GetAtt']
  return attribute?.[0]
}
