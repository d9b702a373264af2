import { randomBytes } from 'node:crypto'

/** The parts of a W3C traceparent. */
export interface SpanIdentity {
  traceId: string
  spanId: string
}

/** Returns a W3C traceparent for a trace that begins here. */
export function newTraceparent(): string {
  return traceparentOf({ traceId: randomBytes(16).toString('hex'), spanId: randomBytes(8).toString('hex') })
}

/** The trace is always marked as sampled: whoever exports decides by the number of instances, which is small. */
export function traceparentOf({ traceId, spanId }: SpanIdentity): string {
  return `00-${traceId}-${spanId}-01`
}

/** @returns undefined without a traceparent that can be read */
export function parseTraceparent(traceparent: string | undefined): SpanIdentity | undefined {
  const parts = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/.exec(traceparent ?? '')
  return parts?.[1] && parts[2] ? { traceId: parts[1], spanId: parts[2] } : undefined
}

export function traceIdOf(traceparent: string | undefined): string | undefined {
  return parseTraceparent(traceparent)?.traceId
}
