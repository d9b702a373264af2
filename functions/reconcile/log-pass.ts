import type { Outcome, Pass, PassResult } from '../../lib/reconcile/pass/outcome.ts'
import type { Log } from '../../lib/telemetry/log.ts'

export interface EndedPass {
  pass: Pass
  result: PassResult
  /** Epoch milliseconds. */
  started: number
  milliseconds: number
  /** Calls to the API server. */
  calls: number
}

/** Writes the line of a pass. A settled pass without events changed nothing: its line is for debugging. */
export function logPass({ pass, result, milliseconds, calls }: EndedPass, log: Log): void {
  const { outcome, events } = result
  const { namespace, name, causes, attempt, waits, trace, at, resourceVersion } = pass
  const fields = {
    namespace,
    name,
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
    trace,
  }
  log[levelOf(outcome, events)]('pass ended', fields)
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
