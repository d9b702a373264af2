import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  RandomIdGenerator,
  type SpanExporter,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import { version } from '../version.ts'
import { type EndedSpan, type HeaderSource, isHeaderSource, type Tracer, type TraceTarget } from './span.ts'
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
  { endpoint, headers }: TraceTarget & { endpoint: string },
): Tracer {
  const ids = new RandomIdGenerator()
  /** The identity of the span that starts next, since a message carries it before the span is recorded. */
  let given: SpanIdentity | undefined
  const url = `${endpoint.replace(/\/$/, '')}/v1/traces`
  const exporter = isHeaderSource(headers)
    ? renewing(new OTLPTraceExporter({ url, headers: () => headers.read(), timeoutMillis: flushMs }), headers)
    : new OTLPTraceExporter({ url, headers: { ...headers }, timeoutMillis: flushMs })
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

/** Sends spans once more if the receiver refused the headers and there are others by now. */
function renewing(exporter: SpanExporter, headers: HeaderSource): SpanExporter {
  return {
    export(spans, done) {
      exporter.export(spans, result => {
        if (!isRefusal(result.error)) return done(result)
        headers.renew().then(
          changed => (changed ? exporter.export(spans, done) : done(result)),
          () => done(result),
        )
      })
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
  }
}

/** Statuses of HTTP for headers without a key that is accepted. */
function isRefusal(error: Error | undefined): boolean {
  const { code } = (error ?? {}) as { code?: unknown }
  return code === 401 || code === 403
}
