import { MetricUnit, Metrics as PowertoolsMetrics } from '@aws-lambda-powertools/metrics'
import type { Metrics } from './metrics.ts'

const namespace = 'ChallengeOperator'

/**
 * Writes CloudWatch's embedded metric format to stdout, which costs no call. Each combination of dimensions has a buffer,
 * since a document of the format has one set of dimensions for all its metrics.
 */
export function openEmfMetrics(options: { service: string }): Metrics {
  const buffers = new Map<string, PowertoolsMetrics>()
  const bufferOf = (dimensions: Record<string, string> = {}) => {
    const id = JSON.stringify(Object.entries(dimensions).sort())
    let buffer = buffers.get(id)
    if (buffer === undefined) {
      buffer = new PowertoolsMetrics({
        namespace,
        serviceName: options.service,
        defaultDimensions: dimensions,
      })
      buffers.set(id, buffer)
    }
    return buffer
  }
  return {
    count: (name, value = 1, dimensions) => {
      bufferOf(dimensions).addMetric(name, MetricUnit.Count, value)
    },
    milliseconds: (name, value, dimensions) => {
      bufferOf(dimensions).addMetric(name, MetricUnit.Milliseconds, value)
    },
    flush: () => {
      for (const buffer of buffers.values()) if (buffer.hasStoredMetrics()) buffer.publishStoredMetrics()
    },
  }
}
