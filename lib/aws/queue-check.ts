import { openSqsClient, type SqsClientOptions } from './sqs-client.ts'

/**
 * Returns about how many messages a queue has, those in flight included.
 * @throws OperatorError naming the queue, if it is missing or our rights are refused
 */
export async function queueDepth(
  queueUrl: string,
  clientOptions: SqsClientOptions,
  signal: AbortSignal,
): Promise<number> {
  const client = openSqsClient(clientOptions)
  try {
    const { Attributes = {} } = await client.call(queueUrl, signal, (sqs, sdk, call) =>
      sqs.send(
        new sdk.GetQueueAttributesCommand({
          QueueUrl: queueUrl,
          AttributeNames: ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'],
        }),
        call,
      ),
    )
    return Object.values(Attributes).reduce((sum, value) => sum + Number(value), 0)
  } finally {
    client.close()
  }
}
