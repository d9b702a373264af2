import middy from '@middy/core'
import type { Context } from 'aws-lambda'
import type { Log } from '../telemetry/log.ts'
import { type Metrics, noMetrics } from '../telemetry/metrics.ts'
import type { Tracer } from '../telemetry/span.ts'
import { type DeadlineContext, deadline } from './deadline.ts'
import { errorLog } from './error-log.ts'
import { telemetryFlush } from './telemetry-flush.ts'

export interface InvocationOptions {
  log: Log
  metrics?: Metrics | undefined
  tracer?: Tracer | undefined
  /** See `deadline`. */
  reserveMs: number
  stopping?: AbortSignal | undefined
}

/** Wraps the handler of a function in the deadline, the error log and the flush of its telemetry. */
export function invocation<E, R>(
  run: (event: E, context: DeadlineContext) => Promise<R>,
  options: InvocationOptions,
): (event: E, context: Context) => Promise<R> {
  const { log, metrics = noMetrics, tracer, reserveMs, stopping } = options
  // 0 turns off Middy's own early timeout, which `deadline` replaces.
  const wrapped = middy({ timeoutEarlyInMillis: 0 })
    .use(errorLog({ log }))
    .use(telemetryFlush({ metrics, tracer }))
    .use(deadline({ reserveMs, stopping }))
    .handler(run as never)
  return wrapped as unknown as (event: E, context: Context) => Promise<R>
}
