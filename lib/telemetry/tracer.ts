import type { Tracer, TraceTarget } from './span.ts'

/**
 * Opens the tracer of a function, or returns undefined if no receiver is configured. The first span loads OpenTelemetry;
 * without a receiver nothing of it is loaded.
 */
export function openTracer(service: string, { endpoint, headers }: TraceTarget): Tracer | undefined {
  if (endpoint === undefined) return undefined
  let loading: Promise<Tracer> | undefined
  const load = () => {
    loading ??= import('./otlp-spans.ts').then(({ openOtlpSpans }) =>
      openOtlpSpans(service, { endpoint, headers }),
    )
    return loading
  }
  return {
    record: span => void load().then(tracer => tracer.record(span)),
    flush: async () => {
      if (loading !== undefined) await (await loading).flush()
    },
  }
}
