import type { Reason } from './reasons.ts'

/** What follows from an error: trying again may help, or only a change of the input does. */
export type Fate = 'retryable' | 'permanent'

interface OperatorErrorOptions {
  /** Unknown means retryable; permanence must be claimed. */
  fate?: Fate
  cause?: unknown
  /** How long the other side asked us to wait, in milliseconds. */
  retryAfterMs?: number
}

/**
 * Every error that leaves an adapter. The message says what happened, to what, and what to do; it holds no
 * response body, header, flag or token. `cause` keeps the foreign error for a debugger, loggers drop it.
 */
export class OperatorError extends Error {
  override readonly name = 'OperatorError'
  readonly reason: Reason
  readonly fate: Fate
  readonly retryAfterMs: number | undefined

  constructor(reason: Reason, message: string, options: OperatorErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.reason = reason
    this.fate = options.fate ?? 'retryable'
    this.retryAfterMs = options.retryAfterMs
  }
}

/** Any thrown value as an `OperatorError`; what no adapter translated is `Internal` and retryable. */
export function operatorError(thrown: unknown): OperatorError {
  if (thrown instanceof OperatorError) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return new OperatorError('Internal', message, { cause: thrown })
}
