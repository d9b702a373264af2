import { OperatorError } from '../../errors.ts'

/** The codes of Node, its TLS and undici for a call without an answer, as sentences. */
const sentenceByCode: Record<string, string> = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the connection broke',
  EPIPE: 'the connection broke',
  UND_ERR_SOCKET: 'the connection broke',
  ENOTFOUND: 'its name is not known to DNS',
  EAI_AGAIN: 'DNS does not answer',
  EHOSTUNREACH: 'there is no route to it',
  ENETUNREACH: 'there is no route to it',
  ETIMEDOUT: 'timed out',
  UND_ERR_CONNECT_TIMEOUT: 'timed out',
  UND_ERR_HEADERS_TIMEOUT: 'timed out',
  UND_ERR_BODY_TIMEOUT: 'timed out',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed; give its CA',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is from an unknown authority; give its CA',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is from an unknown authority; give its CA',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is from an unknown authority; give its CA',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
  CERT_HAS_EXPIRED: 'its certificate has expired',
}

/**
 * Translates an error of a call without an answer. If the caller's signal ended the call, `cause` is the signal's reason,
 * so that the caller recognises it.
 * @param call method and path
 */
export function transportError(thrown: unknown, call: string, signal: AbortSignal): OperatorError {
  if (signal.aborted) {
    const what = isTimeout(signal.reason) ? 'timed out' : 'was cut off'
    return new OperatorError('ClusterUnavailable', `${shortCall(call)} ${what}.`, { cause: signal.reason })
  }
  if (thrown instanceof OperatorError) return thrown
  if (isTimeout(thrown))
    return new OperatorError('ClusterUnavailable', `${shortCall(call)} timed out.`, { cause: thrown })
  const code = codeOf(thrown)
  const sentence = sentenceByCode[code ?? ''] ?? code ?? (thrown instanceof Error ? thrown.name : 'no answer')
  return new OperatorError(
    'ClusterUnavailable',
    `The cluster cannot be reached (${shortCall(call)}): ${sentence}.`,
    {
      cause: thrown,
    },
  )
}

/** Returns whether the limit of a call ended it. */
export function isTimeout(thrown: unknown): boolean {
  return thrown instanceof DOMException && thrown.name === 'TimeoutError'
}

/** Returns whether a kept connection died before or during the request. */
export function connectionDied(thrown: unknown): boolean {
  return ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'].includes(codeOf(thrown) ?? '')
}

function codeOf(thrown: unknown): string | undefined {
  const { code, cause, errors } = thrown as { code?: unknown; cause?: unknown; errors?: unknown[] }
  if (typeof code === 'string') return code
  // With several addresses (Happy Eyeballs) there is one error for each.
  if (Array.isArray(errors) && errors.length > 0) return codeOf(errors[0])
  return cause instanceof Error ? codeOf(cause) : undefined
}

function shortCall(call: string): string {
  return call.slice(0, 200)
}
