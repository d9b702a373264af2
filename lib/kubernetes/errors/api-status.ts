import type { ApiResponse } from '../client/http.ts'
import type { StatusCause } from './field-errors.ts'

/** metav1.Status: how the API server says no. */
export interface ApiStatus {
  code: number
  reason: string
  message: string
  /** Name and kind (often the plural) of what is meant; empty where no object is. */
  details: { name?: string; kind?: string }
  causes: StatusCause[]
}

/** Of any answer or in-stream error; what is no Status (a proxy's page, say) gives empty words. */
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

/** The object is not there; its kind is (else a missing CRD would look like a deletion of everything). */
export function objectMissing(response: ApiResponse, name: string): boolean {
  if (response.status !== 404) return false
  return apiStatus(response.body, 404).details.name === name
}

/** A `test` of a JSON patch failed, or a path in it is not there: the server names no object then. */
export function patchRefused(response: ApiResponse): boolean {
  if (response.status === 409) return true
  return response.status === 422 && apiStatus(response.body, 422).details.kind === undefined
}

/** Seconds or an HTTP date, as milliseconds from now. */
export function retryAfterMs({ headers }: Pick<ApiResponse, 'headers'>, now: number): number | undefined {
  const value = headers['retry-after']
  if (typeof value !== 'string') return undefined
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now
  return Number.isNaN(ms) ? undefined : Math.max(0, ms)
}
