import { isRightRefused } from './aws-error.ts'
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

/**
 * Asks SQS about a queue. A role that may only send to it is refused, which SQS does after it has looked at the request:
 * what is shown is that SQS can be reached and knows the role.
 * @throws OperatorError if SQS does not answer, has no such queue, or does not accept the credentials
 */
export async function reachQueue(
  queueUrl: string,
  clientOptions: SqsClientOptions,
  signal: AbortSignal,
): Promise<void> {
  try {
    await queueDepth(queueUrl, clientOptions, signal)
  } catch (thrown) {
    if (!isRightRefused(thrown as Error)) throw thrown
  }
}
