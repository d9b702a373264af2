import type { MiddlewareObj } from '@middy/core'
import { type Metrics, noMetrics } from '../telemetry/metrics.ts'
import { mergeOptions } from './options.ts'

export interface MetricsFlushOptions {
  metrics: Metrics
}

/** Writes the metrics of an invocation at its end, however it ended. A failure to do so fails nothing else. */
export function metricsFlush(options: Partial<MetricsFlushOptions>): MiddlewareObj {
  const { metrics } = mergeOptions<MetricsFlushOptions>('metricsFlush', { metrics: noMetrics }, options)
  const flush = () => {
    try {
      metrics.flush()
    } catch {
      // Numbers are for later; the invocation's result is for now.
    }
  }
  return { after: flush, onError: flush }
}
