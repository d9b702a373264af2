import { DescribeStacksCommand, paginateListStackResources } from '@aws-sdk/client-cloudformation'
import { type FunctionConfiguration, GetFunctionConfigurationCommand } from '@aws-sdk/client-lambda'
import { GetCallerIdentityCommand } from '@aws-sdk/client-sts'
import { partitionOf } from '../../lib/aws/partition.ts'
import type { DeployedFunction } from '../../lib/config/reference.ts'
import type { ClusterFile } from '../plugin/cluster-file.ts'
import { busName, functionName, stackName } from '../plugin/names.ts'
import { type Answer, ask } from './ask.ts'
import type { Clients } from './clients.ts'

/** What is examined, and what is known of it. Nothing is asked twice. */
export interface Stack {
  stage: string
  file: ClusterFile
  clients: Clients
  name: string
  bus: string
  functionName(name: DeployedFunction): string
  identity(signal: AbortSignal): Promise<{ account: string; arn: string }>
  status(signal: AbortSignal): Promise<Answer<StackStatus>>
  resources(signal: AbortSignal): Promise<StackResource[]>
  configuration(name: DeployedFunction, signal: AbortSignal): Promise<Answer<FunctionConfiguration>>
  /** Returns the ARN of a resource that the template names; undefined: the stack has none of that name. */
  arnOf(logicalId: string, signal: AbortSignal): Promise<string | undefined>
  /** The physical ids of the resources of a type. */
  idsOf(type: string, signal: AbortSignal): Promise<string[]>
}

export interface StackStatus {
  status: string
  reason: string | undefined
}

export interface StackResource {
  logicalId: string
  type: string
  /** A name, a URL or an ARN, as the type has it. */
  id: string
  status: string
}

export function openStack({ stage, file, clients }: Pick<Stack, 'stage' | 'file' | 'clients'>): Stack {
  const installation = { cluster: file.cluster.name, region: file.region }
  const name = stackName(installation)
  const functionNamed = (each: DeployedFunction) => functionName(installation, each)
  const configurations = new Map<DeployedFunction, Promise<Answer<FunctionConfiguration>>>()
  const identity = once(signal => identify(clients, signal))
  const resources = once(signal => listResources(clients, name, signal))
  return {
    stage,
    file,
    clients,
    name,
    bus: busName(installation),
    functionName: functionNamed,
    identity,
    resources,
    status: once(signal => readStatus(clients, name, signal)),
    configuration(each, signal) {
      const FunctionName = functionNamed(each)
      const known =
        configurations.get(each) ??
        ask('lambda:GetFunctionConfiguration', () =>
          clients.lambda.send(new GetFunctionConfigurationCommand({ FunctionName }), { abortSignal: signal }),
        )
      configurations.set(each, known)
      return known
    },
    async arnOf(logicalId, signal) {
      const resource = (await resources(signal)).find(each => each.logicalId === logicalId)
      if (resource === undefined) return undefined
      const { account } = await identity(signal)
      return arnOf(resource, { region: file.region, account, bus: busName(installation) })
    },
    async idsOf(type, signal) {
      return (await resources(signal)).filter(each => each.type === type).map(({ id }) => id)
    },
  }
}

/** A question that is asked once. One that failed is asked again. */
function once<T>(question: (signal: AbortSignal) => Promise<T>): (signal: AbortSignal) => Promise<T> {
  let known: Promise<T> | undefined
  return signal => {
    known ??= question(signal).catch(thrown => {
      known = undefined
      throw thrown
    })
    return known
  }
}

async function identify({ sts }: Clients, abortSignal: AbortSignal) {
  const { Account = '', Arn = '' } = await sts.send(new GetCallerIdentityCommand(), { abortSignal })
  return { account: Account, arn: Arn }
}

async function readStatus(
  { cloudFormation }: Clients,
  StackName: string,
  abortSignal: AbortSignal,
): Promise<Answer<StackStatus>> {
  const found = await ask('cloudformation:DescribeStacks', () =>
    cloudFormation.send(new DescribeStacksCommand({ StackName }), { abortSignal }),
  )
  if (!('answer' in found)) return found
  const [stack] = found.answer.Stacks ?? []
  if (stack === undefined) return { missing: true }
  return { answer: { status: stack.StackStatus ?? '', reason: stack.StackStatusReason } }
}

async function listResources(
  { cloudFormation: client }: Clients,
  StackName: string,
  abortSignal: AbortSignal,
): Promise<StackResource[]> {
  const found: StackResource[] = []
  for await (const page of paginateListStackResources({ client }, { StackName }, { abortSignal }))
    for (const each of page.StackResourceSummaries ?? []) {
      const { LogicalResourceId = '', ResourceType = '', PhysicalResourceId = '', ResourceStatus = '' } = each
      if (ResourceStatus === 'DELETE_COMPLETE') continue
      found.push({
        logicalId: LogicalResourceId,
        type: ResourceType,
        id: PhysicalResourceId,
        status: ResourceStatus,
      })
    }
  return found
}

/** Composes the ARN of a resource, which CloudFormation does not tell. */
export function arnOf(
  { type, id }: Pick<StackResource, 'type' | 'id'>,
  { region, account, bus }: { region: string; account: string; bus: string },
): string {
  const partition = partitionOf(region)
  const regional = (service: string, rest: string) =>
    `arn:${partition}:${service}:${region}:${account}:${rest}`
  switch (type) {
    case 'AWS::SQS::Queue':
      return regional('sqs', id.slice(id.lastIndexOf('/') + 1))
    case 'AWS::Events::EventBus':
      return regional('events', `event-bus/${bus}`)
    case 'AWS::Logs::LogGroup':
      return regional('logs', `log-group:${id}:log-stream:doctor`)
    case 'AWS::IAM::Role':
      return `arn:${partition}:iam::${account}:role/${id}`
    default:
      return id
  }
}
