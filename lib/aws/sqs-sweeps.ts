import type { SweepsQueue } from './queue-ports.ts'
import type { LazySqsClient } from './sqs-client.ts'

export function openSweeps(client: LazySqsClient, queueUrl: string): SweepsQueue {
  return {
    async send(turn, delaySeconds, signal) {
      const request = { QueueUrl: queueUrl, MessageBody: JSON.stringify(turn), DelaySeconds: delaySeconds }
      await client.call(queueUrl, signal, (sqs, sdk, options) =>
        sqs.send(new sdk.SendMessageCommand(request), options),
      )
    },
  }
}
