import type { CreateQueueCommandInput } from '@aws-sdk/client-sqs'
import { type LazySqsClient, openSqsClient, type SqsClientOptions } from './sqs-client.ts'

export interface QueueUrls {
  changesUrl: string
  deadLettersUrl: string
  timersUrl: string
}

export interface EnsureQueuesOptions {
  clientOptions: SqsClientOptions
  /** Queues are named `<prefix>-changes.fifo` and so on: one prefix per operator on an endpoint. */
  prefix?: string
  /** Seconds for which a received key is hidden: at least six times what a pass may take, says Lambda. */
  changesVisibility?: number
  timersVisibility?: number
}

/** What crashes this often is put aside; a pass that fails is not redelivered at all. */
const maxReceiveCount = 5
const day = 24 * 3_600

/** The highest throughput of FIFO queues has these two, or neither. Deduplication ids are always ours. */
const fifo = {
  FifoQueue: 'true',
  DeduplicationScope: 'messageGroup',
  FifoThroughputLimit: 'perMessageGroupId',
  ContentBasedDeduplication: 'false',
}

/**
 * Creates the operator's queues on an endpoint where they are missing; one that exists is left as it is.
 * For local endpoints: in a deployment the queues belong to its stack.
 */
export async function ensureQueues(options: EnsureQueuesOptions, signal: AbortSignal): Promise<QueueUrls> {
  const {
    clientOptions,
    prefix = 'challenge-operator',
    changesVisibility = 60,
    timersVisibility = 30,
  } = options
  const client = openSqsClient(clientOptions)
  try {
    const ensure = (name: string, attributes: CreateQueueCommandInput['Attributes']) =>
      ensureQueue(client, { QueueName: `${prefix}-${name}`, Attributes: attributes }, signal)
    const deadLettersUrl = await ensure('changes-dead-letters.fifo', {
      ...fifo,
      MessageRetentionPeriod: String(14 * day),
    })
    const deadLetterTargetArn = await arnOf(client, deadLettersUrl, signal)
    const [changesUrl, timersUrl] = await Promise.all([
      ensure('changes.fifo', {
        ...fifo,
        VisibilityTimeout: String(changesVisibility),
        RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount }),
      }),
      ensure('timers', { VisibilityTimeout: String(timersVisibility) }),
    ])
    return { changesUrl, deadLettersUrl, timersUrl }
  } finally {
    client.close()
  }
}

function ensureQueue(
  client: LazySqsClient,
  input: CreateQueueCommandInput & { QueueName: string },
  signal: AbortSignal,
): Promise<string> {
  return client.call(`/${input.QueueName}`, signal, async (sqs, sdk, options) => {
    const found = await sqs
      .send(new sdk.GetQueueUrlCommand({ QueueName: input.QueueName }), options)
      .catch((thrown: unknown) => {
        if (thrown instanceof sdk.QueueDoesNotExist) return undefined
        throw thrown
      })
    const queue = found ?? (await sqs.send(new sdk.CreateQueueCommand(input), options))
    if (queue.QueueUrl === undefined) throw new Error(`the endpoint gave no URL for ${input.QueueName}`)
    return queue.QueueUrl
  })
}

function arnOf(client: LazySqsClient, queueUrl: string, signal: AbortSignal): Promise<string> {
  return client.call(queueUrl, signal, async (sqs, sdk, options) => {
    const question = { QueueUrl: queueUrl, AttributeNames: ['QueueArn' as const] }
    const { Attributes } = await sqs.send(new sdk.GetQueueAttributesCommand(question), options)
    if (Attributes?.QueueArn === undefined) throw new Error(`the endpoint gave no ARN for ${queueUrl}`)
    return Attributes.QueueArn
  })
}
