import {
  CloudFormationClient,
  type CloudFormationClientConfig,
  paginateListStackResources,
} from '@aws-sdk/client-cloudformation'
import {
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  QueueDoesNotExist,
  SQSClient,
  type SQSClientConfig,
} from '@aws-sdk/client-sqs'
import type { Resources } from './intrinsics.ts'

export interface LeftQueue {
  url: string
  messages: number
}

/** Queues that CloudFormation leaves when a stack is removed, since the messages in them exist nowhere else. */
export function namesOfKeptQueues(resources: Resources): string[] {
  return Object.values(resources)
    .filter(({ Type, DeletionPolicy }) => Type === 'AWS::SQS::Queue' && DeletionPolicy?.startsWith('Retain'))
    .map(({ Properties }) => String(Properties?.QueueName))
}

/**
 * Finds the queues of these that exist and are not the stack's. CloudFormation makes no queue of a name that is taken: the
 * deployment would fail half way with `AlreadyExists`.
 */
export async function findLeftQueues(
  names: string[],
  stack: string,
  configuration: SQSClientConfig,
): Promise<LeftQueue[]> {
  const owned = await queuesOfStack(stack, configuration)
  const client = new SQSClient(configuration)
  const left: LeftQueue[] = []
  for (const name of names) {
    const url = await urlOf(client, name)
    if (url !== undefined && !owned.has(name)) left.push({ url, messages: await messagesIn(client, url) })
  }
  return left
}

/** The names of the queues of a stack; none if there is no such stack. */
async function queuesOfStack(stack: string, configuration: SQSClientConfig): Promise<Set<string>> {
  const client = new CloudFormationClient(configuration as CloudFormationClientConfig)
  const names = new Set<string>()
  try {
    for await (const page of paginateListStackResources({ client }, { StackName: stack }))
      for (const { ResourceType, PhysicalResourceId, ResourceStatus } of page.StackResourceSummaries ?? [])
        if (ResourceType === 'AWS::SQS::Queue' && !ResourceStatus?.startsWith('DELETE_'))
          names.add(nameIn(PhysicalResourceId ?? ''))
  } catch (thrown) {
    // CloudFormation has no error of its own for a stack that does not exist.
    if (!/does not exist/.test(String((thrown as Error).message))) throw thrown
  }
  return names
}

/** Returns the last part of a queue's URL. */
const nameIn = (url: string) => url.slice(url.lastIndexOf('/') + 1)

/** Says in one sentence for each queue what keeps the deployment from making it. */
export function describeLeftQueues(left: readonly LeftQueue[]): string[] {
  return left.map(({ url, messages }) =>
    messages > 0
      ? `${nameIn(url)} is left of an earlier stack, with ${messages} dead letters that exist nowhere else. Read them (aws sqs receive-message --queue-url ${url}), then delete it: aws sqs delete-queue --queue-url ${url}`
      : `${nameIn(url)} is left of an earlier stack, and empty. Delete it: aws sqs delete-queue --queue-url ${url}`,
  )
}

/** Deletes the empty ones of these queues, so that the stack can be deployed again. @returns the others */
export async function deleteEmptyQueues(
  names: string[],
  configuration: SQSClientConfig,
): Promise<LeftQueue[]> {
  const client = new SQSClient(configuration)
  const left: LeftQueue[] = []
  for (const name of names) {
    const url = await urlOf(client, name)
    if (url === undefined) continue
    const messages = await messagesIn(client, url)
    if (messages > 0) left.push({ url, messages })
    else await client.send(new DeleteQueueCommand({ QueueUrl: url }))
  }
  return left
}

async function urlOf(client: SQSClient, name: string): Promise<string | undefined> {
  try {
    return (await client.send(new GetQueueUrlCommand({ QueueName: name }))).QueueUrl
  } catch (thrown) {
    if (thrown instanceof QueueDoesNotExist) return undefined
    throw thrown
  }
}

async function messagesIn(client: SQSClient, url: string): Promise<number> {
  const { Attributes = {} } = await client.send(
    new GetQueueAttributesCommand({
      QueueUrl: url,
      AttributeNames: ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'],
    }),
  )
  return Object.values(Attributes).reduce((sum, each) => sum + Number(each), 0)
}
