import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  RandomIdGenerator,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import { version } from '../version.ts'
import type { EndedSpan, Tracer } from './span.ts'
import type { SpanIdentity } from './traceparent.ts'

const kinds = {
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
  client: SpanKind.CLIENT,
  internal: SpanKind.INTERNAL,
} as const

/** Milliseconds. A receiver that does not answer must not hold up the end of an invocation for longer. */
const flushMs = 1_500

/** Sends spans to an OTLP receiver in JSON over HTTP, in batches and at `flush`. Loaded only where a receiver is configured. */
export function openOtlpSpans(
  service: string,
  { endpoint, headers }: { endpoint: string; headers: Readonly<Record<string, string>> },
): Tracer {
  const ids = new RandomIdGenerator()
  /** The identity of the span that starts next, since a message carries it before the span is recorded. */
  let given: SpanIdentity | undefined
  const exporter = new OTLPTraceExporter({
    url: `${endpoint.replace(/\/$/, '')}/v1/traces`,
    headers: { ...headers },
    timeoutMillis: flushMs,
  })
  const provider = new TracerProvider({
    sampler: new AlwaysOnSampler(),
    resource: resourceFromAttributes({
      'service.name': `challenge-operator-${service}`,
      'service.namespace': 'challenge-operator',
      'service.version': version,
    }),
    idGenerator: {
      generateTraceId: () => given?.traceId ?? ids.generateTraceId(),
      generateSpanId: () => given?.spanId ?? ids.generateSpanId(),
    },
    spanProcessors: [new BatchSpanProcessor({ exporter, exportTimeoutMillis: flushMs })],
  })
  const tracer = provider.getTracer('challenge-operator', version)

  function record(ended: EndedSpan): void {
    const { name, kind, identity, parent, startedAt, endedAt, attributes, failure } = ended
    const context = parent
      ? trace.setSpanContext(ROOT_CONTEXT, { ...parent, traceFlags: 1, isRemote: true })
      : ROOT_CONTEXT
    given = identity
    const span = tracer.startSpan(name, { kind: kinds[kind], startTime: startedAt }, context)
    given = undefined
    for (const [key, value] of Object.entries(attributes))
      if (value !== undefined) span.setAttribute(key, value)
    if (failure !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: failure })
    span.end(endedAt)
  }

  return { record, flush: () => provider.forceFlush({ timeoutMillis: flushMs }).catch(() => {}) }
}
