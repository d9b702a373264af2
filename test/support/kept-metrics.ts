import type { MetricName, Metrics } from '../../lib/telemetry/metrics.ts'

export interface KeptMetric {
  name: MetricName
  value: number
  dimensions: Record<string, string>
}

/** Metrics that keep what they are given. */
export function keptMetrics() {
  const kept: KeptMetric[] = []
  const flushed: KeptMetric[][] = []
  const keep = (name: MetricName, value: number, dimensions: Record<string, string> = {}) =>
    void kept.push({ name, value, dimensions })
  const metrics: Metrics = {
    count: keep,
    observe: keep,
    set: keep,
    flush: () => void flushed.push([...kept]),
  }
  return {
    metrics,
    kept,
    /** What was kept at each flush. */
    flushed,
    valuesOf: (name: MetricName) => kept.filter(each => each.name === name).map(({ value }) => value),
  }
}
