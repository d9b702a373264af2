import type { MiddlewareObj } from '@middy/core'
import { type Metrics, noMetrics } from '../telemetry/metrics.ts'
import type { Tracer } from '../telemetry/span.ts'
import { mergeOptions } from './options.ts'

export interface TelemetryFlushOptions {
  metrics: Metrics
  tracer: Tracer | undefined
}

/**
 * Writes the metrics of an invocation at its end, and sends its spans, also after an error. A function is frozen after its
 * answer, so what is not sent by then may never be.
 */
export function telemetryFlush(options: Partial<TelemetryFlushOptions>): MiddlewareObj {
  const defaults: TelemetryFlushOptions = { metrics: noMetrics, tracer: undefined }
  const { metrics, tracer } = mergeOptions('telemetryFlush', defaults, options)
  const flush = async () => {
    try {
      metrics.flush()
      await tracer?.flush()
    } catch {
      // An error of the telemetry must not replace the result of the invocation.
    }
  }
  return { after: flush, onError: flush }
}
