import type { ClockState } from '../../clock/state.ts'
import type { OperatorConfig } from '../../config/operator.ts'
import type { ChallengeInstance } from '../../crd/challenge-instance.ts'
import type { Stored } from '../../crd/objects.ts'
import { operatorError } from '../../errors.ts'
import { expiresAt } from '../../lifetime.ts'
import { reasons } from '../../reasons.ts'
import type { Findings } from '../pass/findings.ts'
import type { Pass, PassResult } from '../pass/outcome.ts'
import { concludeFailedRead } from './conclude.ts'
import { type Reporting, report } from './report.ts'

interface FailedRead {
  instance: Stored<ChallengeInstance>
  /** The state of the organiser's clock. A teardown reports no end, and needs none. */
  clock: ClockState
  thrown: unknown
  pass: Pass
  /** Findings of a teardown that failed after it had found the children. */
  teardown?: Pick<Findings, 'children' | 'terminating'> | undefined
}

/**
 * Reports a pass that failed before it had observed the workload, or while it tore it down. Sets the reason, keeps the
 * workload conditions of the last report, and returns when to come back.
 * @throws OperatorError if the cluster is away or the pass is aborted, since the status could not be written either
 */
export async function reportFailedRead(
  deps: Reporting & { config: OperatorConfig; random: () => number },
  { instance, clock, thrown, pass, teardown }: FailedRead,
  signal: AbortSignal,
): Promise<PassResult> {
  const failure = operatorError(thrown)
  if (signal.aborted || reasons[failure.reason].recovery === 'outage') throw failure
  const { namespace, name, uid } = instance.metadata
  deps.log.warn('instance not observed', { namespace, name, uid, error: failure })
  const end = expiresAt(instance, undefined, { ...deps.config, ...clock })
  const concluded = concludeFailedRead({ instance, clock }, failure, {
    pass,
    random: deps.random(),
    expiresAt: end,
    now: deps.now(),
  })
  const { outcome, findings } = concluded
  const { events } = await report(
    deps,
    { findings: teardown ? { ...findings, ...teardown, end: undefined } : findings, pass },
    signal,
  )
  return { outcome, events }
}
