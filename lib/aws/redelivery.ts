import type { SQSRecord } from 'aws-lambda'
import type { Log } from '../telemetry/log.ts'
import type { Redelivery } from './queue-ports.ts'
import type { LazySqsClient } from './sqs-client.ts'

const firstSeconds = 2
const longestSeconds = 60

/**
 * How often a message of changes.fifo may be received before it becomes a dead letter. While a follow-up cannot be sent, a
 * message is received for the tenth time after 302 s (2 + 4 + 8 + 16 + 32 + 4 × 60), and for the twelfth after seven minutes.
 */
export const changesReceives = 12

/**
 * How often a message of timers may be received before it becomes a dead letter: over half an hour. It blocks no other
 * message meanwhile.
 */
export const timersReceives = 40

/** Seconds until a message that was left is delivered again. @param receives how often it was received, at least once */
export function redeliverySeconds(receives: number): number {
  return Math.min(longestSeconds, firstSeconds * 2 ** Math.min(Math.max(receives, 1) - 1, 10))
}

/** The limit for the call at the end of an invocation, in milliseconds. */
const delayMs = 1_500

/**
 * Makes records visible again soon that a function reports as failed. SQS alone hides them for the queue's visibility
 * timeout, which is six times the function's, and with them every later message of their group.
 * @param receives how often the record was received that the others follow. Default: each record's own count
 */
export async function redeliverSoon(
  records: readonly SQSRecord[],
  { redelivery, log, receives }: { redelivery: Redelivery; log: Log; receives?: number },
): Promise<void> {
  if (records.length === 0) return
  const messages = records.map(({ receiptHandle, attributes }) => ({
    receiptHandle,
    seconds: redeliverySeconds(receives ?? Number(attributes.ApproximateReceiveCount)),
  }))
  try {
    const refused = await redelivery.delay(messages, AbortSignal.timeout(delayMs))
    if (refused > 0) log.warn('messages stay hidden for the visibility timeout', { messages: refused })
  } catch (error) {
    log.warn('messages stay hidden for the visibility timeout', { messages: records.length, error })
  }
}

export function openRedelivery(client: LazySqsClient, queueUrl: string): Redelivery {
  return {
    async delay(messages, signal) {
      const request = {
        QueueUrl: queueUrl,
        Entries: messages.map(({ receiptHandle, seconds }, index) => ({
          Id: String(index),
          ReceiptHandle: receiptHandle,
          VisibilityTimeout: seconds,
        })),
      }
      const answer = await client.call(queueUrl, signal, (sqs, sdk, options) =>
        sqs.send(new sdk.ChangeMessageVisibilityBatchCommand(request), options),
      )
      return answer.Failed?.length ?? 0
    },
  }
}
