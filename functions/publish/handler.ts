import type { ScheduledEvent } from 'aws-lambda'
import type { DeadlineContext } from '../../lib/middleware/deadline.ts'
import { invocation } from '../../lib/middleware/invocation.ts'
import type { Log } from '../../lib/telemetry/log.ts'
import { type Metrics, noMetrics } from '../../lib/telemetry/metrics.ts'
import type { Tracer } from '../../lib/telemetry/span.ts'

export interface PublishHandlerOptions {
  /** Publishes up to `limit` events of the outbox. */
  publish: (
    options: { limit: number },
    signal: AbortSignal,
  ) => Promise<{ claimed: number; published: number }>
  /** Returns the age in milliseconds of the oldest event that waits; 0 if none does. */
  oldestMs: (signal: AbortSignal) => Promise<number>
  log: Log
  metrics?: Metrics
  tracer?: Tracer | undefined
  /** Events of one call, claimed in one transaction: ten requests of ten. */
  limit?: number
  /** Aborts when the process is asked to stop. */
  stopping?: AbortSignal
}

const reserveMs = 3_000

/** Publishes the events that reconcile could not publish at once, until none is left or the bus accepts none. */
export function createHandler(options: PublishHandlerOptions) {
  const { publish, oldestMs, log, metrics = noMetrics, tracer, limit = 100, stopping } = options
  const run = async (_event: ScheduledEvent, { signal }: DeadlineContext): Promise<void> => {
    let published = 0
    while (!signal.aborted) {
      const drained = await publish({ limit }, signal)
      published += drained.published
      if (drained.claimed > 0 && drained.published === 0)
        log.warn('the event bus accepted no event', { claimed: drained.claimed })
      if (drained.claimed < limit || drained.published === 0) break
    }
    if (published > 0) log.info('outbox drained', { published })
    if (!signal.aborted) await measureLag(signal)
  }
  /** An invocation that is asked to end meanwhile has done its work, so it says nothing. */
  async function measureLag(signal: AbortSignal): Promise<void> {
    try {
      metrics.set('OutboxLag', Math.round((await oldestMs(signal)) / 1_000))
    } catch (thrown) {
      if (!signal.aborted) throw thrown
    }
  }

  return invocation(run, { log, metrics, tracer, reserveMs, stopping })
}
