import type { Reason } from '../reasons.ts'

/**
 * Something wrong in a template, an instance or the configuration, found before anything is built. The message is
 * shown in a status: it says what is wrong and what to write instead.
 */
export interface Problem {
  reason: Reason
  message: string
}

export function isProblem(value: object | undefined): value is Problem {
  return value !== undefined && 'reason' in value
}
