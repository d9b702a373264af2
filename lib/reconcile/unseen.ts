import type { ChallengeInstance } from '../crd/challenge-instance.ts'
import { operatorError } from '../errors.ts'
import { reasons } from '../reasons.ts'
import { concludeUnseen } from './conclude.ts'
import type { Outcome, Pass } from './outcome.ts'
import { type Reporting, report } from './report.ts'
import type { Report } from './status.ts'

/**
 * A failure kept the pass from looking, or from taking down: says so in the status, leaves what was said of the workload
 * as it was, and comes back.
 * @throws OperatorError where the cluster is away: what cannot be read cannot be written either
 */
export async function unseen(
  deps: Reporting & { random: () => number },
  instance: ChallengeInstance,
  thrown: unknown,
  pass: Pass,
  signal: AbortSignal,
  teardown: Pick<Report, 'children' | 'terminating'> | undefined = undefined,
): Promise<{ outcome: Outcome; events: number }> {
  const failure = operatorError(thrown)
  if (signal.aborted || reasons[failure.reason].recovery === 'outage') throw failure
  const { outcome, report: facts } = concludeUnseen(instance, failure, pass, deps.random())
  const { events } = await report(deps, { ...facts, ...teardown }, undefined, false, signal)
  return { outcome, events }
}
