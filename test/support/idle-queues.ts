import { GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs'
import type { QueueUrls } from '../../lib/aws/queues.ts'
import type { SqsClientOptions } from '../../lib/aws/sqs-client.ts'
import { waitUntil } from '../../local/process/wait.ts'

const counts = [
  'ApproximateNumberOfMessages',
  'ApproximateNumberOfMessagesDelayed',
  'ApproximateNumberOfMessagesNotVisible',
] as const

/** Waits until no message is in the queues and no timer is set. A later message has a later cause. */
export async function untilQueuesEmpty(
  { changesUrl, timersUrl, clientOptions }: QueueUrls & { clientOptions: SqsClientOptions },
  signal: AbortSignal,
): Promise<void> {
  const sqs = new SQSClient(clientOptions)
  const pending = async (QueueUrl: string) => {
    const command = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: [...counts] })
    const { Attributes = {} } = await sqs.send(command, { abortSignal: signal })
    return counts.reduce((sum, name) => sum + Number(Attributes[name]), 0)
  }
  const isIdle = async () => (await pending(changesUrl)) + (await pending(timersUrl)) === 0
  await waitUntil('empty queues', 60_000, isIdle, signal).finally(() => sqs.destroy())
}
