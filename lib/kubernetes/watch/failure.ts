import { OperatorError } from '../../errors.ts'
import { passesByItself } from '../../reasons.ts'
import type { ApiResponse } from '../client/http.ts'
import { apiStatus, retryAfterMs } from '../errors/api-status.ts'

/** What follows for a watch when something went wrong. */
export type FailureKind =
  /** The version to go on from is too old, or one the server has never had: list again. */
  | 'expired'
  /** This server does not know how to stream a list: read it in pages. */
  | 'unsupported'
  /** Nobody was there, or too busy: go on from the same version. */
  | 'unavailable'
  /** Connected, and then nothing: go on from the same version. */
  | 'silent'
  /** We may not: go on trying, and say so. */
  | 'refused'
  /** What came cannot be understood: list again. */
  | 'garbled'

export interface Failure {
  kind: FailureKind
  message: string
  retryAfterMs?: number
}

/** An HTTP answer other than 200. */
export function refusalOf(response: Omit<ApiResponse, 'body'>, body: unknown, now: number): Failure {
  const status = apiStatus(body, response.status)
  const wait = retryAfterMs(response, now)
  const message = `${response.status} ${status.message}`.trim().slice(0, 300)
  return {
    kind: kindOf(response.status, status.message),
    message,
    ...(wait === undefined ? {} : { retryAfterMs: wait }),
  }
}

/** The object of an ERROR event: a Status. */
export function streamedFailure(object: unknown): Failure {
  const { code, message, reason } = apiStatus(object, 500)
  const expired = reason === 'Expired' || reason === 'Gone'
  return {
    kind: expired ? 'expired' : kindOf(code, message),
    message: `${code} ${message}`.trim().slice(0, 300),
  }
}

/** Anything thrown on the way. */
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
