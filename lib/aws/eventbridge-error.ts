import { OperatorError } from '../errors.ts'

/** By the names the SDK gives its errors, and Node's network codes. */
const advice: Record<string, { reason: 'ConfigInvalid' | 'Forbidden' | 'Internal'; what: string }> = {
  ResourceNotFoundException: {
    reason: 'ConfigInvalid',
    what: 'does not exist; check EVENT_BUS_NAME and the region',
  },
  AccessDeniedException: { reason: 'Forbidden', what: 'refused our rights; the role needs events:PutEvents' },
  UnrecognizedClientException: { reason: 'Forbidden', what: 'refused our credentials; check the role' },
  ExpiredTokenException: { reason: 'Forbidden', what: 'refused our credentials; they have expired' },
  CredentialsProviderError: { reason: 'ConfigInvalid', what: 'cannot be asked: no AWS credentials found' },
  ThrottlingException: { reason: 'Internal', what: 'throttles us; it is tried again' },
  TimeoutError: unreachable(),
  ECONNREFUSED: unreachable(),
  ECONNRESET: unreachable(),
  ENOTFOUND: unreachable(),
  EPIPE: unreachable(),
}

const contentFaults = ['ValidationException', 'SerializationException', 'RequestEntityTooLarge']

/** Whether a request failed for what is in it: too big, or malformed. The bus itself is well. */
export function isRefusedContent(thrown: unknown): boolean {
  const { name = '', $metadata } = (thrown ?? {}) as {
    name?: string
    $metadata?: { httpStatusCode?: number }
  }
  return contentFaults.some(fault => name.startsWith(fault)) || $metadata?.httpStatusCode === 413
}

/** A failed request as our error: the bus's name, what is wrong, what to do. Always retryable: the outbox waits. */
export function eventBridgeError(thrown: unknown, busName: string, signal: AbortSignal): OperatorError {
  if (thrown instanceof OperatorError) return thrown
  const bus = `event bus ${busName}`
  if (signal.aborted)
    return new OperatorError('Internal', `${bus}: cut off by the deadline`, { cause: thrown })
  const { name = '', code = '' } = (thrown ?? {}) as { name?: string; code?: string }
  const known = advice[name] ??
    advice[code] ?? { reason: 'Internal' as const, what: `failed (${name || 'error'})` }
  return new OperatorError(known.reason, `${bus} ${known.what}`, { cause: thrown })
}

function unreachable() {
  const what = 'could not be reached; check the network and AWS_ENDPOINT_URL_EVENTBRIDGE'
  return { reason: 'Internal' as const, what }
}
