import { OperatorError } from '../errors.ts'
import { awsError } from './aws-error.ts'

/** Returns a failed call to SQS as our error, with the name of the queue. It is always retryable. */
export function sqsError(thrown: unknown, queueUrl: string, signal: AbortSignal): OperatorError {
  const target = {
    name: `queue ${queueName(queueUrl)}`,
    addressedBy: 'its URL, the region and AWS_ENDPOINT_URL_SQS',
    right: 'the actions of its function on this queue',
    endpointVariable: 'AWS_ENDPOINT_URL_SQS',
  }
  const known = awsError(thrown, target, signal)
  if (known) return known
  const { name = 'error', message = String(thrown) } = (thrown ?? {}) as { name?: string; message?: string }
  return new OperatorError('Internal', `${target.name}: ${name}: ${message}`, { cause: thrown })
}

/** Returns the last segment of a queue's URL, which is its name. */
export function queueName(queueUrl: string): string {
  return queueUrl.split('/').at(-1) || queueUrl || '(no URL)'
}
