import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { FunctionDefinition } from '../lambda-runner/sandbox.ts'
import { resolvedResources, type StackPlace, type Template, type TemplateResource } from './intrinsics.ts'
import { unzip } from './unzip.ts'

export interface StackFunction extends Omit<FunctionDefinition, 'taskRoot'> {
  roleArn: string
  /** The file of the package that has its code. */
  zip: string
  /** ARN of the queue that takes failed asynchronous invocations. */
  onFailure: string | undefined
}

export interface StackMapping {
  function: string
  queueArn: string
  batchSize: number
  maximumConcurrency: number
  reportsFailures: boolean
}

/** A rule of EventBridge. It invokes its function by a schedule, or for the events that match a pattern. */
export interface StackRule {
  function: string
  arn: string
  schedule: string | undefined
  /** The values that a field of an event may have. */
  pattern: Record<string, string[]> | undefined
}

/** A packaged stack with the values that it has in one account. Functions have the short names of `serverless.yml`. */
export interface Stack {
  resources: Record<string, TemplateResource>
  functions: Record<string, StackFunction>
  mappings: StackMapping[]
  rules: StackRule[]
  queues: { name: string; attributes: Record<string, string> }[]
}

/** Reads the template that `serverless package` has written. */
export async function readStack(folder: string, place: StackPlace): Promise<Stack> {
  const text = await readFile(join(folder, 'cloudformation-template-update-stack.json'), 'utf8')
  const resources = resolvedResources(JSON.parse(text) as Template, place)
  const ofType = <T>(type: string) =>
    Object.entries(resources)
      .filter(([, { Type }]) => Type === type)
      .map(([logicalName, { Properties }]) => ({ logicalName, ...(Properties as T) }))

  const arnOf = (functionName: string) =>
    `arn:aws:lambda:${place.region}:${place.account}:function:${functionName}`
  const destinations = new Map(
    ofType<{ FunctionName: string; DestinationConfig: { OnFailure: { Destination: string } } }>(
      'AWS::Lambda::EventInvokeConfig',
    ).map(each => [each.FunctionName, each.DestinationConfig.OnFailure.Destination]),
  )
  const functions = Object.fromEntries(
    ofType<DeployedFunction>('AWS::Lambda::Function').map(each => [
      shortName(each.Code.S3Key),
      { ...definitionOf(each, arnOf(each.FunctionName)), onFailure: destinations.get(each.FunctionName) },
    ]),
  )
  const calledBy = (arn: string) =>
    Object.keys(functions).find(name => functions[name]?.arn === arn) ?? `none with the ARN ${arn}`
  return {
    resources,
    functions,
    mappings: ofType<DeployedMapping>('AWS::Lambda::EventSourceMapping').map(each => ({
      function: calledBy(each.FunctionName),
      queueArn: each.EventSourceArn,
      batchSize: each.BatchSize,
      maximumConcurrency: each.ScalingConfig.MaximumConcurrency,
      reportsFailures: each.FunctionResponseTypes?.includes('ReportBatchItemFailures') === true,
    })),
    rules: ofType<DeployedRule>('AWS::Events::Rule').map(each => ({
      function: calledBy(each.Targets[0].Arn),
      arn: `arn:aws:events:${place.region}:${place.account}:rule/${place.stack}-${each.logicalName}`,
      schedule: each.ScheduleExpression,
      pattern: each.EventPattern,
    })),
    queues: ofType<{ QueueName: string }>('AWS::SQS::Queue').map(
      ({ logicalName: _, QueueName, ...rest }) => ({
        name: QueueName,
        attributes: Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, attribute(value)])),
      }),
    ),
  }
}

interface DeployedFunction {
  FunctionName: string
  Handler: string
  Timeout: number
  MemorySize: number
  Role: string
  Code: { S3Key: string }
  Environment: { Variables: Record<string, string> }
}

interface DeployedRule {
  Targets: [{ Arn: string }]
  ScheduleExpression?: string
  EventPattern?: Record<string, string[]>
}

interface DeployedMapping {
  FunctionName: string
  EventSourceArn: string
  BatchSize: number
  ScalingConfig: { MaximumConcurrency: number }
  FunctionResponseTypes?: string[]
}

function definitionOf(deployed: DeployedFunction, arn: string): Omit<StackFunction, 'onFailure'> {
  return {
    functionName: deployed.FunctionName,
    arn,
    handler: deployed.Handler,
    timeoutSeconds: deployed.Timeout,
    memoryMb: deployed.MemorySize,
    variables: deployed.Environment.Variables,
    roleArn: deployed.Role,
    zip: `${shortName(deployed.Code.S3Key)}.zip`,
  }
}

function shortName(key: string): string {
  return key.replace(/^.*\/|\.zip$/g, '')
}

/** SQS takes texts. */
function attribute(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/** Unpacks the code of every function into a folder of its own. @returns the folders by function */
export async function unpack(
  { functions }: Stack,
  { from, to }: { from: string; to: string },
): Promise<Record<string, string>> {
  const unpacked = Object.entries(functions).map(async ([name, { zip }]) => {
    const folder = join(to, name)
    await unzip(join(from, zip), folder)
    return [name, folder] as const
  })
  return Object.fromEntries(await Promise.all(unpacked))
}
