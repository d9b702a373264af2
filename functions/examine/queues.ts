import { reachQueue } from '../../lib/aws/queue-check.ts'
import type { SqsClientOptions } from '../../lib/aws/sqs-client.ts'
import { queueName } from '../../lib/aws/sqs-error.ts'
import { type ExaminedPart, isNetworkFailure, networkRemedy } from './examine.ts'

/** Examines whether SQS answers about each queue. Whether it lets the role in is a question of IAM. */
export function queueParts(urls: readonly string[], clientOptions: SqsClientOptions = {}): ExaminedPart[] {
  return urls.map(url => ({
    part: 'queue',
    remedyOf: failure =>
      isNetworkFailure(failure)
        ? networkRemedy
        : 'deploy again, which makes the queue and names it to the functions',
    look: async (_request, signal) => {
      await reachQueue(url, clientOptions, signal)
      return { fine: `SQS answers about ${queueName(url)}` }
    },
  }))
}
