import type { SecretReference } from '../config/secret-reference.ts'
import type { SpanIdentity } from './traceparent.ts'

export interface TracingConfig {
  /** Base URL of an OTLP/HTTP receiver; undefined: nothing is traced. */
  endpoint: string | undefined
  /** Headers of its requests, for example of a key. They are secret. */
  headers: TraceHeaders
  /** Where AWS keeps the headers in their place. */
  headersSecret: SecretReference | undefined
}

export type TraceHeaders = Readonly<Record<string, string>>

/** Headers that may change while the process lives. */
export interface HeaderSource {
  /** @throws if they cannot be read; the spans are lost then */
  read(): Promise<TraceHeaders>
  /** Reads them anew, because the receiver refused them. @returns whether they are others now */
  renew(): Promise<boolean>
}

/** Where a tracer sends its spans. */
export interface TraceTarget extends Pick<TracingConfig, 'endpoint'> {
  headers: TraceHeaders | HeaderSource
}

export function isHeaderSource(headers: TraceHeaders | HeaderSource): headers is HeaderSource {
  return typeof headers.read === 'function'
}

/** A piece of work that has ended. Times are epoch milliseconds. */
export interface EndedSpan {
  name: string
  kind: 'producer' | 'consumer' | 'client' | 'internal'
  /** Its own identity, which a message may have carried on already. Undefined: a new one in the trace of `parent`. */
  identity?: SpanIdentity | undefined
  parent?: SpanIdentity | undefined
  startedAt: number
  endedAt: number
  /** Never a flag, a token or a body. */
  attributes: Readonly<Record<string, string | number | undefined>>
  /** What went wrong. */
  failure?: string | undefined
}

/** Takes spans as they end, so that work that is not traced pays nothing. */
export interface Tracer {
  record(span: EndedSpan): void
  /** Sends what was recorded. A receiver that is away costs the spans, and no more than `flushMs`. Never rejects. */
  flush(): Promise<void>
}
