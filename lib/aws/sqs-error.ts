import { OperatorError } from '../errors.ts'
import type { Reason } from '../reasons.ts'

interface Advice {
  reason: Reason
  advice: string
}

const missing: Advice = {
  reason: 'ConfigInvalid',
  advice: 'does not exist; check its URL, the region and AWS_ENDPOINT_URL_SQS',
}
const refused: Advice = { reason: 'Forbidden', advice: 'refused our credentials or rights; check the role' }
const unreachable: Advice = {
  reason: 'Internal',
  advice: 'could not be reached; check the network and AWS_ENDPOINT_URL_SQS',
}
const throttled: Advice = { reason: 'Internal', advice: 'throttles us; it is tried again' }

/** By the names the SDK gives its errors, in either of SQS's two spellings, and Node's network codes. */
const adviceByName: Record<string, Advice> = {
  QueueDoesNotExist: missing,
  'AWS.SimpleQueueService.NonExistentQueue': missing,
  AccessDenied: refused,
  AccessDeniedException: refused,
  InvalidClientTokenId: refused,
  UnrecognizedClientException: refused,
  ExpiredToken: refused,
  CredentialsProviderError: { reason: 'ConfigInvalid', advice: 'cannot be asked: no AWS credentials found' },
  RequestThrottled: throttled,
  ThrottlingException: throttled,
  TimeoutError: unreachable,
  ECONNREFUSED: unreachable,
  ECONNRESET: unreachable,
  ENOTFOUND: unreachable,
  EPIPE: unreachable,
}

/** A failed call of the SDK as our error: the queue's name, what is wrong, what to do. */
export function sqsError(thrown: unknown, queueUrl: string, signal: AbortSignal): OperatorError {
  if (thrown instanceof OperatorError) return thrown
  const queue = `queue ${queueName(queueUrl)}`
  if (signal.aborted)
    return new OperatorError('Internal', `${queue}: cut off by the deadline`, { cause: thrown })
  const { name, code, message } = thrown as { name?: string; code?: string; message?: string }
  const known = adviceByName[name ?? ''] ?? adviceByName[code ?? '']
  if (known) return new OperatorError(known.reason, `${queue} ${known.advice}`, { cause: thrown })
  return new OperatorError('Internal', `${queue}: ${name ?? 'error'}: ${message ?? String(thrown)}`, {
    cause: thrown,
  })
}

/** The last segment of the URL; what a user calls the queue. */
export function queueName(queueUrl: string): string {
  return queueUrl.split('/').at(-1) || queueUrl || '(no URL)'
}
