import type { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { type MetricDefinition, type MetricName, type Metrics, metrics } from './metrics.ts'
import { prometheusName } from './prometheus-name.ts'

export interface PrometheusMetrics {
  metrics: Metrics
  /** The content type of `text`. */
  contentType: string
  /** Returns all metrics in Prometheus' text format, for `GET /metrics`. */
  text(): Promise<string>
  /** Sets the present values to 0: another process tells them from now on. */
  resetGauges(): void
}

/** Seconds: a pass takes some 50 ms, a lag minutes at worst. */
const secondsBuckets = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300]
/** Calls of a pass: 6 or 7 for a creation, some more for a teardown or a roll-out. */
const callsBuckets = [0, 1, 2, 3, 4, 6, 8, 10, 15, 20, 30, 50]

type Instrument = Counter | Histogram | Gauge

/**
 * Opens the metrics of a process that Prometheus asks. The names are those of the vocabulary, as Prometheus spells them
 * (`prometheusName`). Every counter without dimensions begins at 0, so that its first increase shows.
 *
 * The package is loaded here, since a function on Lambda needs none of it.
 */
export async function openPrometheusMetrics(): Promise<PrometheusMetrics> {
  const client = await import('prom-client')
  const registry: Registry = new client.Registry()
  const instruments = new Map<MetricName, Instrument>()
  for (const [key, definition] of Object.entries(metrics) as [MetricName, MetricDefinition][])
    instruments.set(key, instrumentOf(client, key, definition, registry))

  const inSeconds = (name: MetricName, value: number) =>
    metrics[name].unit === 'milliseconds' ? value / 1_000 : value
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    resetGauges() {
      for (const [name, instrument] of instruments) if (metrics[name].kind === 'gauge') instrument.reset()
    },
    metrics: {
      count(name, value, dimensions: Record<string, string> = {}) {
        ;(instruments.get(name) as Counter).inc(dimensions, value)
      },
      observe(name, value, dimensions: Record<string, string> = {}) {
        ;(instruments.get(name) as Histogram).observe(dimensions, Math.max(0, inSeconds(name, value)))
      },
      set(name, value, dimensions: Record<string, string> = {}) {
        ;(instruments.get(name) as Gauge).set(dimensions, inSeconds(name, value))
      },
      flush() {},
    },
  }
}

function instrumentOf(
  client: typeof import('prom-client'),
  key: MetricName,
  definition: MetricDefinition,
  registry: Registry,
): Instrument {
  const name = prometheusName(key, definition)
  const labelNames = Object.keys(definition.dimensions)
  const options = { name, help: definition.sentence, labelNames, registers: [registry] }
  switch (definition.kind) {
    case 'counter':
      return new client.Counter(options)
    case 'gauge':
      return new client.Gauge(options)
    case 'histogram':
      return new client.Histogram({
        ...options,
        buckets: definition.unit === 'count' ? callsBuckets : secondsBuckets,
      })
  }
}
