import { randomBytes } from 'node:crypto'
import type { Swept } from '../../lib/sweep.ts'
import type { Scope } from '../../lib/telemetry/scope.ts'
import type { Tracer } from '../../lib/telemetry/span.ts'

/** The scope of a sweep. A trace begins with it, and goes on with the messages that it sends and the passes behind them. */
export function sweepScope(): Scope & Required<Pick<Scope, 'span'>> {
  const span = { traceId: randomBytes(16).toString('hex'), spanId: randomBytes(8).toString('hex') }
  return { fields: { trace: span.traceId }, calls: 0, span }
}

export interface EndedSweep extends Pick<Scope, 'span'> {
  resync: boolean
  /** Undefined: it failed. */
  swept: Swept | undefined
  startedAt: number
  endedAt: number
  failure: string | undefined
}

/** Records the span of a sweep that sent messages or failed. One that found nothing costs the receiver nothing. */
export function traceSweep(ended: EndedSweep, tracer: Tracer | undefined): void {
  const { span, resync, swept, startedAt, endedAt, failure } = ended
  if (failure === undefined && !swept?.enqueued) return
  tracer?.record({
    name: 'sweep',
    kind: 'producer',
    identity: span,
    startedAt,
    endedAt,
    attributes: {
      'challenge_operator.resync': String(resync),
      'challenge_operator.examined': swept?.examined,
      'challenge_operator.enqueued': swept?.enqueued,
      'challenge_operator.causes': [...(swept?.findings.keys() ?? [])].join(','),
    },
    failure,
  })
}
