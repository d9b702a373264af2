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
