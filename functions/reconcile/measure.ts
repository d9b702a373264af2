import type { SQSRecord } from 'aws-lambda'
import type { Metrics } from '../../lib/telemetry/metrics.ts'
import type { Tracer } from '../../lib/telemetry/span.ts'
import { parseTraceparent } from '../../lib/telemetry/traceparent.ts'
import type { EndedPass } from './log-pass.ts'

/** Measures how old messages are when they arrive. @param now epoch milliseconds */
export function measureReceipt(records: readonly SQSRecord[], now: number, metrics: Metrics): void {
  for (const { attributes } of records) {
    const sentAt = Number(attributes.SentTimestamp)
    if (sentAt > 0) metrics.observe('QueueAge', Math.max(0, now - sentAt))
  }
}

/** Measures a pass. The clock of the sender may be ahead of this one, so a lag below 0 counts as none. */
export function measurePass(
  { pass, result, started, milliseconds, calls }: EndedPass,
  metrics: Metrics,
): void {
  metrics.count('Passes', 1, { outcome: result.outcome.kind })
  metrics.observe('PassDuration', milliseconds)
  metrics.observe('PassApiCalls', calls)
  const madeAt = Date.parse(pass.at)
  if (!Number.isNaN(madeAt)) metrics.observe('MessageToPassLag', Math.max(0, started - madeAt))
  if (result.readyAfterMs !== undefined) metrics.observe('CreateToReady', result.readyAfterMs)
}

/** Records the span of a pass, below that of the message. */
export function tracePass(ended: EndedPass, tracer: Tracer | undefined): void {
  const { pass, result, started, milliseconds, calls, span } = ended
  if (tracer === undefined || span === undefined) return
  const { outcome } = result
  tracer.record({
    name: 'reconcile pass',
    kind: 'consumer',
    identity: span,
    parent: parseTraceparent(pass.trace),
    startedAt: started,
    endedAt: started + milliseconds,
    attributes: {
      'challenge_operator.key': `${pass.namespace}/${pass.name}`,
      'challenge_operator.uid': pass.uids.at(-1),
      'challenge_operator.causes': [...pass.causes].join(','),
      'challenge_operator.outcome': outcome.kind,
      'challenge_operator.reason': 'reason' in outcome ? outcome.reason : undefined,
      'challenge_operator.calls': calls,
    },
    failure: outcome.kind === 'retry' ? outcome.error.reason : undefined,
  })
}
