import { OperatorError } from '../../errors.ts'
import { passesByItself } from '../../reason-rules.ts'
import type { ApiResponse } from '../client/http.ts'
import { apiStatus, retryAfterMs } from '../errors/api-status.ts'

/** How a watch goes on after a failure. */
export type FailureKind =
  /** The version to go on from is too old, or the server never had it: list again. */
  | 'expired'
  /** The server cannot stream a list: read the list in pages. */
  | 'unsupported'
  /** The server did not answer, or was too busy: go on from the same version. */
  | 'unavailable'
  /** The connection is open and no byte comes: go on from the same version. */
  | 'silent'
  /** The right to watch is missing: go on trying, and log an error each time. */
  | 'refused'
  /** An event or a page cannot be read: list again. */
  | 'garbled'

export interface Failure {
  kind: FailureKind
  message: string
  retryAfterMs?: number
}

/** The failure behind an HTTP answer other than 200. @param now epoch milliseconds */
export function answeredFailure(response: Omit<ApiResponse, 'body'>, body: unknown, now: number): Failure {
  const status = apiStatus(body, response.status)
  const wait = retryAfterMs(response, now)
  const message = `${response.status} ${status.message}`.trim().slice(0, 300)
  return {
    kind: kindOf(response.status, status.message),
    message,
    ...(wait === undefined ? {} : { retryAfterMs: wait }),
  }
}

/** The failure behind an ERROR event. @param object the event's object, a Status */
export function streamedFailure(object: unknown): Failure {
  const { code, message, reason } = apiStatus(object, 500)
  const expired = reason === 'Expired' || reason === 'Gone'
  return {
    kind: expired ? 'expired' : kindOf(code, message),
    message: `${code} ${message}`.trim().slice(0, 300),
  }
}

/** The failure behind a thrown value. */
export function thrownFailure(thrown: unknown): Failure {
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  const known = thrown instanceof OperatorError ? thrown : undefined
  const wait = known?.retryAfterMs
  const refused = known !== undefined && !passesByItself(known.reason)
  return {
    kind: refused ? 'refused' : 'unavailable',
    message: message.slice(0, 300),
    ...(wait === undefined ? {} : { retryAfterMs: wait }),
  }
}

function kindOf(code: number, message: string): FailureKind {
  if (code === 410 || /too large resource version/i.test(message)) return 'expired'
  if (code === 401 || code === 403 || code === 404) return 'refused'
  if (code === 408 || code === 429 || code >= 500) return 'unavailable'
  return 'unsupported'
}
