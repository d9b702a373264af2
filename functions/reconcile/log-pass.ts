import { randomBytes } from 'node:crypto'
import type { Outcome, Pass, PassResult } from '../../lib/reconcile/pass/outcome.ts'
import type { Log } from '../../lib/telemetry/log.ts'
import type { LogFields } from '../../lib/telemetry/log-fields.ts'
import type { Scope } from '../../lib/telemetry/scope.ts'
import { traceIdOf } from '../../lib/telemetry/traceparent.ts'

export interface EndedPass extends Scope {
  pass: Pass
  result: PassResult
  /** Epoch milliseconds. */
  started: number
  milliseconds: number
}

/**
 * The scope of a pass. Its fields stand in every line that is written during the pass, and its id is that of its span. A
 * message without a trace, such as one that a person sends, begins one with its pass.
 */
export function passScope({ namespace, name, uids, trace }: Pass): Scope {
  const spanId = randomBytes(8).toString('hex')
  const traceId = traceIdOf(trace) ?? randomBytes(16).toString('hex')
  return {
    fields: { namespace, name, uid: uids.at(-1), pass: spanId, trace: traceId },
    calls: 0,
    span: { traceId, spanId },
  }
}

/** Writes the line of a pass. A settled pass without events changed nothing: its line is for debugging. */
export function logPass({ pass, result, milliseconds, calls, fields: own }: EndedPass, log: Log): void {
  const { outcome, events } = result
  const { causes, attempt, waits, at, resourceVersion } = pass
  const fields: LogFields = {
    ...own,
    outcome: outcome.kind,
    ...explain(outcome),
    milliseconds: Math.round(milliseconds),
    calls,
    causes,
    attempt,
    waits,
    events,
    at,
    resourceVersion: resourceVersion === '' ? undefined : resourceVersion,
  }
  log[levelOf(outcome, events)]('pass ended', fields)
}

function explain(outcome: Outcome): LogFields {
  switch (outcome.kind) {
    case 'settled':
      return {}
    case 'requeue':
      return { reason: outcome.reason, afterMs: outcome.afterMs }
    case 'stalled':
      return { reason: outcome.reason, why: outcome.message }
    case 'retry':
      return { reason: outcome.error.reason, error: outcome.error }
  }
}

function levelOf(outcome: Outcome, events: number): 'debug' | 'info' | 'warn' | 'error' {
  if (outcome.kind === 'retry') return outcome.exhausted ? 'error' : 'warn'
  return outcome.kind === 'settled' && events === 0 ? 'debug' : 'info'
}
