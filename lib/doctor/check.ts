/**
 * A result of a check. A problem comes with its remedy. `note`: a person decides whether it is one. `unknown`: the check
 * could not be made, and why.
 */
export type Finding =
  | { fine: string }
  | { problem: string; remedy: string }
  | { note: string }
  | { unknown: string }

export interface Check {
  name: string
  /** Name of another check. If that one fails, this one cannot be made. */
  needs?: string
  /** What to do if the check throws. */
  remedy: string
  /** Milliseconds that the check may take, if it asks many questions. */
  limitMs?: number
  look(signal: AbortSignal): Promise<Finding | Finding[]>
}

export function note(name: string, text: string): Check {
  return { name, remedy: '', look: async () => ({ note: text }) }
}
