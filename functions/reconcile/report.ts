import type { Outcome, Pass } from '../../lib/reconcile/outcome.ts'
import type { Log } from '../../lib/telemetry/log.ts'
import type { Metrics } from '../../lib/telemetry/metrics.ts'

export interface PassReport {
  pass: Pass
  outcome: Outcome
  events: number
  milliseconds: number
}

/** One line for each transition; a pass that found everything as it should be is worth one only when debugging. */
export function reportPass(report: PassReport, to: { log: Log; metrics?: Metrics }): void {
  const { pass, outcome, events, milliseconds } = report
  const { reason, error } = explain(outcome)
  const fields = {
    namespace: pass.namespace,
    name: pass.name,
    outcome: outcome.kind,
    reason,
    milliseconds: Math.round(milliseconds),
    causes: pass.causes,
    attempt: pass.attempt,
    waits: pass.waits,
    events,
    error,
  }
  to.log[levelOf(outcome, events)]('pass ended', fields)
  to.metrics?.count('Passes', 1, { outcome: outcome.kind })
  to.metrics?.milliseconds('PassDuration', milliseconds)
}

function explain(outcome: Outcome) {
  if (outcome.kind === 'settled') return { reason: undefined, error: undefined }
  if (outcome.kind === 'retry') return { reason: outcome.error.reason, error: outcome.error }
  return { reason: outcome.reason, error: undefined }
}

function levelOf(outcome: Outcome, events: number): 'debug' | 'info' | 'warn' | 'error' {
  if (outcome.kind === 'retry') return outcome.exhausted ? 'error' : 'warn'
  return outcome.kind === 'settled' && events === 0 ? 'debug' : 'info'
}
