import type { ChallengeInstance } from '../crd/challenge-instance.ts'
import type { Deployment } from '../crd/objects.ts'
import type { OperatorError } from '../errors.ts'
import { rfc3339 } from '../lifetime.ts'
import { deploymentDigest } from '../observed/deployment.ts'
import { podDigest } from '../observed/pod.ts'
import { type WorkloadVerdict, workloadVerdict } from '../observed/workload.ts'
import { type Reason, reasons } from '../reasons.ts'
import type { Acted } from './act.ts'
import type { Decision } from './decide.ts'
import type { Observed } from './observe.ts'
import { failed, type Outcome, type Pass, waitMs } from './outcome.ts'
import type { Obstacle, Report } from './status.ts'

export interface Conclusion {
  outcome: Outcome
  /** Undefined: nothing to say, the deletion that was begun speaks for itself. */
  report: Report | undefined
  flagHmac: string | undefined
}

/** A predecessor's child that is being deleted is gone within moments, in milliseconds. */
const terminatingMs = 1_000

/** What a pass amounts to: pure, from what was observed, decided and done. `now` in epoch milliseconds. */
export function conclude(
  observed: Observed,
  decision: Decision,
  acted: Acted,
  pass: Pass,
  now: number,
  random: number,
): Conclusion {
  if (decision.kind === 'expire')
    return { outcome: { kind: 'settled' }, report: undefined, flagHmac: undefined }
  const outcome = outcomeOf(decision, acted, pass, random)
  const report: Report = {
    instance: observed.instance,
    verdict: verdictOf(observed, acted, now),
    obstacle: obstacleOf(decision, acted, outcome),
    children: acted.children,
    observed: dealtWith(outcome),
    terminating: false,
    ...(decision.kind === 'converge' ? granted(decision) : {}),
    ...(dealtWith(outcome) ? considered(observed, decision) : {}),
  }
  return { outcome, report, flagHmac: decision.kind === 'converge' ? decision.desired.flagHmac : undefined }
}

/** What a pass amounts to that a failure kept from looking, or from taking down: the workload is as it was said to be. */
export function concludeUnseen(
  instance: ChallengeInstance,
  failure: OperatorError,
  pass: Pass,
  random: number,
): { outcome: Outcome; report: Report } {
  const outcome = failureOutcome(failure, pass, random)
  const report: Report = {
    instance,
    verdict: 'unseen',
    obstacle: failureObstacle(failure, outcome),
    children: instance.status?.children ?? [],
    observed: dealtWith(outcome),
    terminating: false,
  }
  return { outcome, report }
}

function dealtWith(outcome: Outcome): boolean {
  return outcome.kind !== 'retry' || outcome.exhausted
}

function failureOutcome(failure: OperatorError, pass: Pass, random: number): Outcome {
  const { reason, message, fate } = failure
  const { recovery } = reasons[reason]
  if (recovery === 'moment') return requeue(terminatingMs, reason)
  if (recovery === 'recheck') return requeue(waitMs(pass.waits, random), reason)
  return fate === 'permanent' ? { kind: 'stalled', reason, message } : failed(failure, pass.attempt)
}

function failureObstacle({ reason, message, fate }: OperatorError, outcome: Outcome): Obstacle {
  const givenUp = outcome.kind === 'retry' && outcome.exhausted
  return {
    reason,
    message: givenUp
      ? `${message} The operator has given up; change the instance or set force-sync.`
      : message,
    stalled: givenUp || fate === 'permanent',
  }
}

function outcomeOf(decision: Decision, acted: Acted, pass: Pass, random: number): Outcome {
  const failure = worst(acted.failures)
  if (failure) return failureOutcome(failure, pass, random)
  if (decision.kind !== 'hold') return { kind: 'settled' }
  const { reason, message, stalled } = decision.obstacle
  if (stalled) return { kind: 'stalled', reason, message }
  return requeue(decision.afterMs ?? waitMs(pass.waits, random), reason)
}

function requeue(afterMs: number, reason: Reason): Outcome {
  return { kind: 'requeue', afterMs, reason, counted: false }
}

/** What only a change can help is said before what may pass by itself. */
function worst(failures: readonly OperatorError[]): OperatorError | undefined {
  return failures.find(each => each.fate === 'permanent') ?? failures[0]
}

function obstacleOf(decision: Decision, acted: Acted, outcome: Outcome): Obstacle | undefined {
  const failure = worst(acted.failures)
  if (failure) return failureObstacle(failure, outcome)
  return decision.kind === 'hold' ? decision.obstacle : undefined
}

/** A workload that this pass has just written is under way, whatever was observed before. */
function verdictOf({ deployment, pod }: Observed, acted: Acted, now: number): WorkloadVerdict | undefined {
  if (deployment === undefined || rolled(deployment, acted)) return undefined
  return workloadVerdict(deploymentDigest(deployment), pod ? [podDigest(pod)] : 'unknown', now)
}

/** An apply that only put labels or annotations right changes no generation, and nothing of what runs. */
function rolled(deployment: Deployment, { children, changes }: Acted): boolean {
  if (!changes.some(change => change.child.startsWith('Deployment/'))) return false
  const applied = children.find(child => child.kind === 'Deployment')
  return !applied?.version.startsWith(`${deployment.metadata.generation}-`)
}

function granted({ desired, expiresAt }: Extract<Decision, { kind: 'converge' }>): Partial<Report> {
  const { namespace, url, endpoints, cpuMillicores, memMb } = desired
  return {
    granted: { namespace, url, endpoints, cpuMillicores, memMb },
    expiresAt: expiresAt === undefined ? undefined : rfc3339(expiresAt),
  }
}

/** Also a template that was refused has been considered: only its next generation is news. */
function considered(observed: Observed, decision: Decision): Partial<Report> {
  const { template, instance } = observed
  if (template === undefined || template === 'unread') return {}
  const { uid = '', generation = 0 } = template.metadata
  const before = instance.status?.template?.hash ?? ''
  const takenUp = decision.kind === 'converge' && !decision.keep
  return { template: { uid, generation, hash: takenUp ? decision.desired.templateHash : before } }
}
