import { openSqsClient, type SqsClientOptions } from './sqs-client.ts'

/**
 * About how many messages a queue holds, in sight and in flight.
 * @throws OperatorError naming the queue, where it is missing or may not be seen
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
