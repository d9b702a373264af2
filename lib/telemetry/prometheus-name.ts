import type { MetricDefinition } from './metrics.ts'

/**
 * Returns the name of a metric as Prometheus spells it: `PassDuration` in milliseconds is
 * `challenge_operator_pass_duration_seconds`. Prometheus counts time in seconds, and ends a counter in `_total`.
 */
export function prometheusName(
  name: string,
  { kind, unit }: Pick<MetricDefinition, 'kind' | 'unit'>,
): string {
  const words = name.replace(/(?<=[a-z])[A-Z]/g, letter => `_${letter}`).toLowerCase()
  const unitSuffix = unit === 'count' ? '' : '_seconds'
  return `challenge_operator_${words}${unitSuffix}${kind === 'counter' ? '_total' : ''}`
}
