import type { Reason } from './reasons.ts'

/** The consequence of an error: a retry may help, or only a change of the input does. */
export type Fate = 'retryable' | 'permanent'

interface OperatorErrorOptions {
  /** The default is retryable, so an unknown error is retried. */
  fate?: Fate
  cause?: unknown
  /** The wait that the other side asked for, in milliseconds. */
  retryAfterMs?: number
}

/**
 * The only error that leaves an adapter. The message names what happened, to what, and what to do. It has no response
 * body, header, flag or token. `cause` keeps the foreign error for a debugger, and loggers drop it.
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

/** Returns a thrown value as an `OperatorError`. A value that no adapter has translated is `Internal` and retryable. */
export function operatorError(thrown: unknown): OperatorError {
  if (thrown instanceof OperatorError) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return new OperatorError('Internal', message, { cause: thrown })
}
