import { createHash } from 'node:crypto'
import type { DeadLetters } from './queue-ports.ts'
import type { LazySqsClient } from './sqs-client.ts'

/** Characters. A person reads the reason in a list, and body and attributes share SQS's 1 MiB. */
const reasonLimit = 1_000

export function openDeadLetters(client: LazySqsClient, queueUrl: string): DeadLetters {
  return {
    async send(body, groupId, reason, signal) {
      const request = {
        QueueUrl: queueUrl,
        MessageBody: body,
        MessageGroupId: groupId,
        // A message that is delivered again becomes the same dead letter.
        MessageDeduplicationId: createHash('sha256').update(body).digest('hex'),
        MessageAttributes: { reason: { DataType: 'String', StringValue: printable(reason) } },
      }
      await client.call(queueUrl, signal, (sqs, sdk, options) =>
        sqs.send(new sdk.SendMessageCommand(request), options),
      )
    },
  }
}

/** Makes the reason fit for an attribute: SQS refuses an empty one, control characters and lone surrogates. */
function printable(reason: string): string {
  const text = reason.toWellFormed().replace(/[\p{Cc}\s]+/gu, ' ')
  return text.slice(0, reasonLimit).toWellFormed().trim() || 'unknown'
}
