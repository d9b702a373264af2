import type { MiddlewareObj } from '@middy/core'
import type { Context } from 'aws-lambda'
import { OperatorError } from '../errors.ts'
import { mergeOptions } from './options.ts'

/** A Lambda context with the deadline of the invocation as a signal. */
export interface DeadlineContext extends Context {
  signal: AbortSignal
}

export interface DeadlineOptions {
  /** Milliseconds between the signal and the end of the invocation, for the handler to report what is done. */
  reserveMs: number
  /** Aborts every invocation early, when the process is asked to stop. */
  stopping: AbortSignal | undefined
}

const defaults: DeadlineOptions = { reserveMs: 5_000, stopping: undefined }

/**
 * Puts `signal` on the context. Middy's own early timeout would answer in place of the handler. The signal lets the
 * handler answer, since only the handler knows which messages of a batch are done.
 */
export function deadline(options: Partial<DeadlineOptions> = {}): MiddlewareObj {
  const { reserveMs, stopping } = mergeOptions('deadline', defaults, options)
  const timers = new WeakMap<Context, NodeJS.Timeout>()
  const clear = ({ context }: { context: Context }) => clearTimeout(timers.get(context))
  return {
    before({ context }) {
      const controller = new AbortController()
      const timer = setTimeout(
        () => controller.abort(new OperatorError('Internal', 'the invocation reached its deadline')),
        Math.max(0, context.getRemainingTimeInMillis() - reserveMs),
      )
      timers.set(context, timer)
      const signal = stopping ? AbortSignal.any([controller.signal, stopping]) : controller.signal
      Object.assign(context, { signal })
    },
    after: clear,
    onError: clear,
  }
}
