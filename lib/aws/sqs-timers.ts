import type { TimersQueue } from './queue-ports.ts'
import type { LazySqsClient } from './sqs-client.ts'

/** The longest delay of an SQS message. */
const longestSeconds = 900

export function openTimers(client: LazySqsClient, queueUrl: string, clock: () => number): TimersQueue {
  return {
    async send(timer, signal) {
      const seconds = Math.floor((Date.parse(timer.due) - clock()) / 1_000)
      const request = {
        QueueUrl: queueUrl,
        MessageBody: JSON.stringify(timer),
        DelaySeconds: Math.min(Math.max(seconds, 0), longestSeconds),
      }
      await client.call(queueUrl, signal, (sqs, sdk, options) =>
        sqs.send(new sdk.SendMessageCommand(request), options),
      )
    },
  }
}
