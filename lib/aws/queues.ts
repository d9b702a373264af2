import type { CreateQueueCommandInput } from '@aws-sdk/client-sqs'
import { changesReceives } from './redelivery.ts'
import { type LazySqsClient, openSqsClient, type SqsClientOptions } from './sqs-client.ts'

export interface QueueUrls {
  changesUrl: string
  deadLettersUrl: string
  timersUrl: string
  sweepsUrl: string
}

export interface EnsureQueuesOptions {
  clientOptions: SqsClientOptions
  /** Queues are named `<prefix>-changes.fifo` and so on. Each operator on an endpoint has a prefix of its own. */
  prefix?: string
  /** Seconds for which a received change is hidden. Lambda asks for at least six times the function's timeout. */
  changesVisibility?: number
  timersVisibility?: number
}

/** Seconds for which a received message about a sweep is hidden. One that is delivered again is late, and dropped. */
const sweepsVisibility = 120

const day = 24 * 3_600

/** High throughput of a FIFO queue needs both the scope and the limit. Every message has a deduplication id of ours. */
const fifo = {
  FifoQueue: 'true',
  DeduplicationScope: 'messageGroup',
  FifoThroughputLimit: 'perMessageGroupId',
  ContentBasedDeduplication: 'false',
}

/**
 * Creates the operator's missing queues on an endpoint. An existing one is left as it is, but for the number of receives
 * until a dead letter: another release may have created it. It is meant for local endpoints: in a deployment the stack
 * creates the queues.
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
    const [changesUrl, timersUrl, sweepsUrl] = await Promise.all([
      ensure('changes.fifo', {
        ...fifo,
        VisibilityTimeout: String(changesVisibility),
        RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: changesReceives }),
      }),
      ensure('timers', { VisibilityTimeout: String(timersVisibility) }),
      ensure('sweeps', { VisibilityTimeout: String(sweepsVisibility), MessageRetentionPeriod: '3600' }),
    ])
    return { changesUrl, deadLettersUrl, timersUrl, sweepsUrl }
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
    const { QueueUrl } = queue
    if (QueueUrl === undefined) throw new Error(`the endpoint gave no URL for ${input.QueueName}`)
    const { RedrivePolicy } = input.Attributes ?? {}
    if (found && RedrivePolicy !== undefined)
      await sqs.send(new sdk.SetQueueAttributesCommand({ QueueUrl, Attributes: { RedrivePolicy } }), options)
    return QueueUrl
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
