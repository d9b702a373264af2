/** Every metric of the operator and its unit. `docs/operations.md` explains each of them. */
export const metricUnits = {
  Passes: 'count',
  PassDuration: 'milliseconds',
  DeadLetters: 'count',
  UnwatchedMessages: 'count',
} as const satisfies Record<string, 'count' | 'milliseconds'>

type MetricsIn<Unit> = {
  [Name in keyof typeof metricUnits]: (typeof metricUnits)[Name] extends Unit ? Name : never
}[keyof typeof metricUnits]

/** Collects numbers during an invocation. Each combination of dimensions is billed, so they are few and have few values. */
export interface Metrics {
  /** @param value default 1 */
  count(name: MetricsIn<'count'>, value?: number, dimensions?: Record<string, string>): void
  milliseconds(name: MetricsIn<'milliseconds'>, value: number, dimensions?: Record<string, string>): void
  /** Writes what has been collected. Called at the end of an invocation. */
  flush(): void
}

export const noMetrics: Metrics = {
  count() {},
  milliseconds() {},
  flush() {},
}
