import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs'
import { inject } from 'vitest'
import { stackName } from '../../deploy/plugin/names.ts'
import { type EksFront, startEksFront } from './aws/eks-front.ts'
import { type Iam, openIam } from './aws/iam.ts'
import { type ServiceFront, startServiceFront } from './aws/service-front.ts'
import { readStack, type Stack, unpack } from './aws/stack.ts'
import { sampleClusterFile } from './cluster-files.ts'
import { type Begun, type Lambda, type LambdaFunction, openLambda } from './lambda-runner/lambda.ts'
import {
  busEventOf,
  failedInvocation,
  matches,
  runStackMapping,
  scheduledEventOf,
} from './lambda-runner/triggers.ts'
import { flagSecret, type OperatorParts, openOperatorParts, pepper } from './operator-parts.ts'
import { serviceFolder } from './service-folder.ts'
import { sharedControlPlane } from './shared-parts.ts'
import { temporaryFolder } from './temporary-folder.ts'

export const region = 'eu-central-1'
/** AWS uses this account in its documentation. */
export const account = '123456789012'

/** The deployed functions as processes with nothing but their zips, and what they reach. */
export interface DeployedZips extends Omit<OperatorParts, 'addresses' | 'stop'> {
  clusterName: string
  stack: Stack
  lambda: Lambda
  iam: Iam
  eks: EksFront
  aws: ServiceFront
  /** Invokes a function as its schedule does. */
  fire(functionName: string): Promise<Begun>
  /** The invocations by schedules, and by events of the bus. */
  readonly begun: readonly (Begun & { functionName: string })[]
  stop(): Promise<void>
}

const secretArn = (name: string) => `arn:aws:secretsmanager:${region}:${account}:secret:zips/${name}-AbCdEf`

/**
 * Packages the service for a cluster as `serverless deploy` does, makes the queues, roles and mappings of its template, and
 * runs the zips over a real API server, database and queue server. The variables of a function are those of the template.
 * Only `AWS_ENDPOINT_URL` is added, which leads to the fronts of this machine.
 */
export async function deployZips(operator: Record<string, string> = {}): Promise<DeployedZips> {
  const stack = new AsyncDisposableStack()
  try {
    return await deploy(operator, stack)
  } catch (thrown) {
    await stack.disposeAsync()
    throw thrown
  }
}

async function deploy(operator: Record<string, string>, ends: AsyncDisposableStack): Promise<DeployedZips> {
  const clusterName = `zips-${randomBytes(4).toString('hex')}`
  const parts = await openOperatorParts({ env: operator, teams: [1, 2, 3, 4, 5, 6, 7] })
  ends.defer(() => parts.stop(Promise.resolve()))
  const { namespaces } = parts.config
  await parts.accounts.bindGroups({ namespaces, placesElsewhere: false }, parts.signal)
  const eks = await startEksFront(sharedControlPlane(), { cluster: clusterName, region })
  ends.defer(() => eks.stop())
  const aws = await startServiceFront({
    ...{ region, account, sqs: inject('sharedParts').queuesEndpoint },
    events: String(parts.addresses.bus?.clientOptions.endpoint),
    secrets: {
      [secretArn('database-url')]: parts.databaseUrl,
      [secretArn('flag-secret')]: flagSecret,
      [secretArn('flag-hmac-pepper')]: pepper,
    },
  })
  ends.defer(() => aws.stop())
  const folder = await temporaryFolder('zips')
  ends.defer(() => folder.remove())
  const variables = { OPERATOR_NAMESPACE: parts.namespace, ...operator }
  const file = clusterFile({ clusterName, eks, variables })
  const { stack, folders } = await packageStack(file, { clusterName, aws, folder: folder.path })
  await makeQueues(stack)
  const iam = openIam(stack.resources)
  eks.admit(iam, stack.resources)
  aws.admit(iam)
  const lambda = openLambda(functionsOf(stack, { folders, iam, aws }))
  ends.defer(() => lambda.stop())
  const stopping = new AbortController()
  const mappings = Promise.all(runMappings(stack, { lambda, iam, aws }, stopping.signal))
  ends.defer(async () => {
    stopping.abort()
    await mappings
  })
  const begun: DeployedZips['begun'][number][] = []
  const begin = async (functionName: string, event: unknown) => {
    const invocation = await lambda.beginAsynchronously(functionName, event)
    begun.push({ functionName, ...invocation })
    return invocation
  }
  const removeListener = parts.bus.onEvent(received => {
    const event = busEventOf(received, { account, region })
    for (const rule of stack.rules.filter(each => matches(each, event))) void begin(rule.function, event)
  })
  ends.defer(removeListener)
  return {
    ...{ ...parts, clusterName, stack, lambda, iam, eks, aws, begun },
    fire(name) {
      const rule = stack.rules.find(each => each.function === name && each.schedule !== undefined)
      if (rule === undefined) throw new Error(`nothing invokes ${name} by a schedule`)
      return begin(name, scheduledEventOf(rule, { account, region }))
    },
    stop: () => ends.disposeAsync(),
  }
}

function clusterFile(parts: {
  clusterName: string
  eks: EksFront
  variables: Record<string, string>
}): string {
  const { clusterName: name, eks, variables } = parts
  const more = {
    secrets: {
      databaseUrl: secretArn('database-url'),
      flagSecret: secretArn('flag-secret'),
      flagHmacPepper: secretArn('flag-hmac-pepper'),
    },
    concurrency: { reconcile: 2 },
    operator: variables,
  }
  const lines = Object.entries(more).map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
  return sampleClusterFile({ region, name, endpoint: eks.endpoint, ca: eks.ca, more: lines.join('') })
}

interface Packaging {
  clusterName: string
  aws: ServiceFront
  folder: string
}

async function packageStack(file: string, { clusterName, aws, folder }: Packaging) {
  const service = await serviceFolder({ [clusterName]: file })
  try {
    const from = join(folder, 'package')
    const { output, code } = await service.serverless([
      ...['package', '--stage', clusterName, '--package', from],
    ])
    if (code !== 0) throw new Error(`serverless package failed:\n${output}`)
    const stack = await readStack(from, {
      ...{ account, region, stack: stackName({ cluster: clusterName, region }) },
      queueUrlOf: name => `${aws.endpoint}/${account}/${name}`,
    })
    return { stack, folders: await unpack(stack, { from, to: join(folder, 'functions') }) }
  } finally {
    await service.remove()
  }
}

/** Makes the queues by the properties of the template, on the queue server that checks no rights. */
async function makeQueues({ queues }: Stack): Promise<void> {
  const client = new SQSClient({
    region,
    endpoint: inject('sharedParts').queuesEndpoint,
    credentials: { accessKeyId: 'owner', secretAccessKey: 'owner' },
  })
  const arns = new Map<string, string>()
  /** The server has an account of its own. */
  const inServer = (text: string) =>
    [...arns].reduce(
      (changed, [name, arn]) => changed.replace(`arn:aws:sqs:${region}:${account}:${name}`, arn),
      text,
    )
  // A queue of dead letters exists before the queue that names it.
  const ordered = queues.toSorted(
    (a, b) => Number('RedrivePolicy' in a.attributes) - Number('RedrivePolicy' in b.attributes),
  )
  for (const { name: QueueName, attributes } of ordered) {
    const Attributes = Object.fromEntries(
      Object.entries(attributes).map(([key, value]) => [key, inServer(value)]),
    )
    const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName, Attributes }))
    const asked = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] })
    arns.set(QueueName, (await client.send(asked)).Attributes?.QueueArn ?? '')
  }
  client.destroy()
}

interface Deployment {
  iam: Iam
  aws: ServiceFront
}

function functionsOf(
  { functions }: Stack,
  { folders, iam, aws }: Deployment & { folders: Record<string, string> },
): Record<string, LambdaFunction> {
  const complete = Object.entries(functions).map(([name, { onFailure, roleArn, ...definition }]) => {
    const { functionName, arn } = definition
    const whole: LambdaFunction = {
      ...definition,
      taskRoot: folders[name] ?? '',
      place: () => ({
        region,
        credentials: iam.assume(roleArn, functionName),
        endpoints: { AWS_ENDPOINT_URL: aws.endpoint },
      }),
    }
    if (onFailure === undefined) return [name, whole] as const
    const send = async (event: unknown, error: { errorType: string; errorMessage: string }) => {
      const client = new SQSClient({
        region,
        endpoint: aws.endpoint,
        credentials: iam.assume(roleArn, functionName),
      })
      const QueueUrl = queueUrl(onFailure, aws)
      const MessageBody = JSON.stringify(failedInvocation(arn, event, error))
      await client.send(new SendMessageCommand({ QueueUrl, MessageBody }))
      client.destroy()
    }
    return [name, { ...whole, onFailure: send }] as const
  })
  return Object.fromEntries(complete)
}

function runMappings(
  { mappings, functions }: Stack,
  { lambda, iam, aws }: Deployment & { lambda: Lambda },
  stopping: AbortSignal,
): Promise<void>[] {
  return mappings.map(mapping => {
    const { roleArn = '', functionName = '', timeoutSeconds = 0 } = functions[mapping.function] ?? {}
    const credentials = iam.assume(roleArn, functionName)
    const place = {
      ...{ lambda, queueUrl: queueUrl(mapping.queueArn, aws), timeoutSeconds },
      clientOptions: { region, endpoint: aws.endpoint, credentials },
    }
    return runStackMapping(mapping, place, stopping)
  })
}

function queueUrl(arn: string, { endpoint }: ServiceFront): string {
  return `${endpoint}/${account}/${arn.split(':').at(-1)}`
}
