/** Numbers about what happened. Names are CamelCase, dimensions few and of few values: each combination is billed. */
export interface Metrics {
  count(name: string, value?: number, dimensions?: Record<string, string>): void
  milliseconds(name: string, value: number, dimensions?: Record<string, string>): void
  /** Writes what has been collected; at the end of an invocation. */
  flush(): void
}

export const noMetrics: Metrics = {
  count() {},
  milliseconds() {},
  flush() {},
}
