import type { MiddlewareObj } from '@middy/core'
import { type Metrics, noMetrics } from '../telemetry/metrics.ts'
import { mergeOptions } from './options.ts'

export interface MetricsFlushOptions {
  metrics: Metrics
}

/** Writes the metrics of an invocation at its end, also after an error. */
export function metricsFlush(options: Partial<MetricsFlushOptions>): MiddlewareObj {
  const { metrics } = mergeOptions<MetricsFlushOptions>('metricsFlush', { metrics: noMetrics }, options)
  const flush = () => {
    try {
      metrics.flush()
    } catch {
      // An error of the metrics must not replace the result of the invocation.
    }
  }
  return { after: flush, onError: flush }
}
