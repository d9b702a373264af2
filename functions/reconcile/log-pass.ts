import type { Outcome, Pass } from '../../lib/reconcile/pass/outcome.ts'
import type { Log } from '../../lib/telemetry/log.ts'
import type { Metrics } from '../../lib/telemetry/metrics.ts'

export interface EndedPass {
  pass: Pass
  outcome: Outcome
  events: number
  milliseconds: number
}

/** Writes the line and the metrics of a pass. A settled pass without events changed nothing: its line is for debugging. */
export function logPass(ended: EndedPass, to: { log: Log; metrics?: Metrics }): void {
  const { pass, outcome, events, milliseconds } = ended
  const { namespace, name, causes, attempt, waits, trace, at, resourceVersion } = pass
  const fields = {
    namespace,
    name,
    outcome: outcome.kind,
    ...explain(outcome),
    milliseconds: Math.round(milliseconds),
    causes,
    attempt,
    waits,
    events,
    at,
    resourceVersion: resourceVersion === '' ? undefined : resourceVersion,
    trace,
  }
  to.log[levelOf(outcome, events)]('pass ended', fields)
  to.metrics?.count('Passes', 1, { outcome: outcome.kind })
  to.metrics?.milliseconds('PassDuration', milliseconds)
}

function explain(outcome: Outcome): Record<string, unknown> {
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
