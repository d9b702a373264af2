import type { ApiResponse } from '../client/http.ts'
import type { StatusCause } from './field-errors.ts'

/** metav1.Status: the body of a refusal. */
export interface ApiStatus {
  code: number
  reason: string
  message: string
  /** Name and kind (often the plural) of the object; empty if the refusal is not about one. */
  details: { name?: string; kind?: string }
  causes: StatusCause[]
}

/** Reads the Status of an answer or of an error in a stream. Anything else, such as a page of a proxy, gives empty texts. */
export function apiStatus(body: unknown, httpStatus: number): ApiStatus {
  const status = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>
  const whole = status.kind === 'Status' ? status : {}
  const details = (whole.details ?? {}) as ApiStatus['details'] & { causes?: ApiStatus['causes'] }
  return {
    code: typeof whole.code === 'number' ? whole.code : httpStatus,
    reason: typeof whole.reason === 'string' ? whole.reason : '',
    message: typeof whole.message === 'string' ? whole.message : '',
    details: {
      ...(details.name ? { name: details.name } : {}),
      ...(details.kind ? { kind: details.kind } : {}),
    },
    causes: Array.isArray(details.causes) ? details.causes : [],
  }
}

/**
 * Returns whether the object is missing while its kind is served. If the CRD were missing too, its objects would look as if
 * they had been deleted.
 */
export function objectMissing(response: ApiResponse, name: string): boolean {
  if (response.status !== 404) return false
  return apiStatus(response.body, 404).details.name === name
}

/** Returns whether a `test` of a JSON patch failed or one of its paths is missing. The server then names no object. */
export function patchRefused(response: ApiResponse): boolean {
  if (response.status === 409) return true
  return response.status === 422 && apiStatus(response.body, 422).details.kind === undefined
}

/** Our own longest pause. A proxy on the way may ask for hours. */
const longestAskedMs = 300_000

/** Returns the header `retry-after`, in seconds or as an HTTP date, as milliseconds from now, at most five minutes. */
export function retryAfterMs({ headers }: Pick<ApiResponse, 'headers'>, now: number): number | undefined {
  const value = headers['retry-after']
  if (typeof value !== 'string') return undefined
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now
  return Number.isNaN(ms) ? undefined : Math.min(longestAskedMs, Math.max(0, ms))
}
