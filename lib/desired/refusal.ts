import type { Reason } from '../reasons.ts'

/** Why nothing is built: data, for a status. The message says what is wrong and what to write instead. */
export interface Refusal {
  refused: Reason
  message: string
}

export function isRefusal(value: object | undefined): value is Refusal {
  return value !== undefined && 'refused' in value
}
