import { OperatorError } from '../errors.ts'
import { awsError } from './aws-error.ts'

const contentErrors = ['ValidationException', 'SerializationException', 'RequestEntityTooLarge']

/** True for a request that failed because its entries are too big or malformed. The bus itself works. */
export function isRefusedContent(thrown: unknown): boolean {
  const { name = '', $metadata } = (thrown ?? {}) as {
    name?: string
    $metadata?: { httpStatusCode?: number }
  }
  return contentErrors.some(error => name.startsWith(error)) || $metadata?.httpStatusCode === 413
}

/** Whether the code of a refused entry speaks of the bus and not of the entry, so that trying again soon may help. */
export function isPassing(code: string): boolean {
  return /^(Internal|Throttling|ServiceUnavailable|no answer)/.test(code)
}

/**
 * Returns a failed call to EventBridge as our error, with the name of the bus. It is always retryable, since the events
 * stay in the outbox. The text of an unknown error is left out, because it may repeat the event.
 */
export function eventBridgeError(thrown: unknown, busName: string, signal: AbortSignal): OperatorError {
  const target = {
    name: `event bus ${busName}`,
    addressedBy: 'EVENT_BUS_NAME and the region',
    right: 'events:PutEvents',
    endpointVariable: 'AWS_ENDPOINT_URL_EVENTBRIDGE',
  }
  const known = awsError(thrown, target, signal)
  if (known) return known
  const { name } = (thrown ?? {}) as { name?: string }
  return new OperatorError('Internal', `${target.name} failed (${name || 'error'})`, { cause: thrown })
}
