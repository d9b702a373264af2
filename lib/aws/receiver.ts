import type { DeleteMessageBatchResult, Message, MessageAttributeValue } from '@aws-sdk/client-sqs'
import type { SQSMessageAttribute, SQSRecord } from 'aws-lambda'
import { OperatorError } from '../errors.ts'
import { openSqsClient, type SqsClientOptions } from './sqs-client.ts'
import { queueName } from './sqs-error.ts'

export interface ReceiverOptions {
  queueUrl: string
  clientOptions?: SqsClientOptions
  /** The largest number of messages of a poll, at most 10. */
  batchSize?: number
  /** Seconds that a poll waits for a first message, at most 20. */
  waitSeconds?: number
  /** Seconds for which a received message is hidden. Default: the setting of the queue. */
  visibilityTimeout?: number
}

/** The receiving side of a queue. Records have the shape that Lambda's event source mapping passes to a function. */
export interface Receiver {
  /** Makes one long poll. @returns an empty list if no message came in time */
  receive(signal: AbortSignal): Promise<SQSRecord[]>
  /** Deletes all records except those with a message id in `failures`, which are delivered again when their visibility ends. */
  acknowledge(records: SQSRecord[], failures: ReadonlySet<string>, signal: AbortSignal): Promise<void>
  close(): void
}

/** A long poll lasts for 20 s at most. */
const pollLimits = { requestMs: 30_000, callMs: 60_000 }

export function openReceiver(options: ReceiverOptions): Receiver {
  const { queueUrl, batchSize = 10, waitSeconds = 20, visibilityTimeout } = options
  const client = openSqsClient(options.clientOptions, pollLimits)
  const poll = {
    QueueUrl: queueUrl,
    MaxNumberOfMessages: batchSize,
    WaitTimeSeconds: waitSeconds,
    ...(visibilityTimeout === undefined ? {} : { VisibilityTimeout: visibilityTimeout }),
    MessageSystemAttributeNames: ['All' as const],
    MessageAttributeNames: ['All'],
  }
  return {
    async receive(signal) {
      const answer = await client.call(queueUrl, signal, (sqs, sdk, call) =>
        sqs.send(new sdk.ReceiveMessageCommand(poll), call),
      )
      const region = await client.region(signal)
      return (answer.Messages ?? []).map(message => toRecord(message, queueUrl, region))
    },
    async acknowledge(records, failures, signal) {
      const done = records.filter(record => !failures.has(record.messageId))
      if (done.length === 0) return
      const request = {
        QueueUrl: queueUrl,
        Entries: done.map((record, index) => ({ Id: String(index), ReceiptHandle: record.receiptHandle })),
      }
      const answer = await client.call(queueUrl, signal, (sqs, sdk, call) =>
        sqs.send(new sdk.DeleteMessageBatchCommand(request), call),
      )
      throwIfKept(answer, queueUrl)
    },
    close: () => client.close(),
  }
}

function throwIfKept(answer: DeleteMessageBatchResult, queueUrl: string): void {
  const left = answer.Failed ?? []
  if (left.length === 0) return
  const codes = [...new Set(left.map(entry => entry.Code))].join(', ')
  throw new OperatorError(
    'Internal',
    `queue ${queueName(queueUrl)} kept ${left.length} messages (${codes}); they come again`,
  )
}

function toRecord(message: Message, queueUrl: string, region: string): SQSRecord {
  const attributes = Object.entries(message.MessageAttributes ?? {}).map(([name, value]) => [
    name,
    toAttribute(value),
  ])
  return {
    messageId: message.MessageId ?? '',
    receiptHandle: message.ReceiptHandle ?? '',
    body: message.Body ?? '',
    attributes: { ...message.Attributes } as unknown as SQSRecord['attributes'],
    messageAttributes: Object.fromEntries(attributes),
    md5OfBody: message.MD5OfBody ?? '',
    eventSource: 'aws:sqs',
    eventSourceARN: arnOf(queueUrl, region),
    awsRegion: region,
  }
}

function toAttribute(value: MessageAttributeValue): SQSMessageAttribute {
  return {
    dataType: value.DataType ?? 'String',
    ...(value.StringValue === undefined ? {} : { stringValue: value.StringValue }),
    ...(value.BinaryValue === undefined
      ? {}
      : { binaryValue: Buffer.from(value.BinaryValue).toString('base64') }),
    stringListValues: [],
    binaryListValues: [],
  }
}

/** A queue URL ends in `/<account>/<name>` on every endpoint. */
function arnOf(queueUrl: string, region: string): string {
  const [account = '', name = ''] = queueUrl.split('/').slice(-2)
  return `arn:aws:sqs:${region}:${account}:${name}`
}
