import type { ChallengeInstance } from '../crd/challenge-instance.ts'
import type { Deployment, Stored } from '../crd/objects.ts'
import type { OperatorError } from '../errors.ts'
import { deploymentDigest } from '../observed/deployment.ts'
import { podDigest } from '../observed/pod.ts'
import { workloadVerdict } from '../observed/workload.ts'
import { type Reason, reasons } from '../reasons.ts'
import type { Acted } from './act.ts'
import type { Decision } from './decide.ts'
import type { Findings, Granted, WorkloadFinding } from './findings.ts'
import type { Observed } from './observe.ts'
import { failureObstacle } from './obstacle.ts'
import { failureOutcome, type Outcome, type Pass, requeue, waitOutcome } from './outcome.ts'

export interface PassFacts {
  observed: Observed
  decision: Decision
  acted: Acted
  pass: Pass
  /** Epoch milliseconds. */
  now: number
  /** In [0, 1): jitter of waits. */
  random: number
}

export interface Conclusion {
  outcome: Outcome
  /** Undefined after the deletion of an expired instance: the pass of that deletion reports. */
  findings: Findings | undefined
  flagHmac: string | undefined
}

/** Derives the outcome and the findings of a pass from what it observed, decided and did. */
export function conclude(facts: PassFacts): Conclusion {
  const { observed, decision, acted } = facts
  if (decision.kind === 'expire')
    return { outcome: { kind: 'settled' }, findings: undefined, flagHmac: undefined }
  const workload = workloadOf(facts)
  const outcome = outcomeOf(facts, workload)
  const observes = observesGeneration(outcome)
  const findings: Findings = {
    instance: observed.instance,
    workload,
    obstacle: obstacleOf(decision, acted, outcome),
    children: acted.children,
    observesGeneration: observes,
    terminating: false,
    end: { at: decision.expiresAt },
    complete: decision.kind === 'converge' && acted.failures.length === 0,
    ...(decision.kind === 'converge' ? { granted: grantedBy(decision) } : {}),
    ...(observes ? consideredTemplate(observed, decision) : {}),
  }
  return { outcome, findings, flagHmac: decision.kind === 'converge' ? decision.desired.flagHmac : undefined }
}

/**
 * Concludes a pass that failed before it had observed the workload, or while it tore it down.
 * `expiresAt`: the end as far as the instance alone says, in epoch milliseconds.
 */
export function concludeFailedRead(
  instance: Stored<ChallengeInstance>,
  failure: OperatorError,
  { pass, random, expiresAt }: { pass: Pass; random: number; expiresAt: number | undefined },
): { outcome: Outcome; findings: Findings } {
  const outcome = reportedFailureOutcome(failure, pass, random)
  const findings: Findings = {
    instance,
    workload: { kind: 'not-observed' },
    obstacle: failureObstacle(failure, outcome),
    children: instance.status?.children ?? [],
    observesGeneration: observesGeneration(outcome),
    terminating: false,
    end: { at: expiresAt },
  }
  return { outcome, findings }
}

function observesGeneration(outcome: Outcome): boolean {
  return outcome.kind !== 'retry' || outcome.exhausted
}

function outcomeOf({ decision, acted, pass, random }: PassFacts, workload: WorkloadFinding): Outcome {
  const failure = worst(acted.failures)
  if (failure) return reportedFailureOutcome(failure, pass, random)
  if (decision.kind !== 'hold') {
    const refused = refusedFor(workload)
    return refused ? waitOutcome(refused, pass, random) : { kind: 'settled' }
  }
  const { reason, message, stalled } = decision.obstacle
  if (stalled) return { kind: 'stalled', reason, message }
  return decision.afterMs === undefined
    ? waitOutcome(reason, pass, random)
    : requeue(reason, decision.afterMs)
}

/** The reason for which the cluster refuses the pods. Nobody watches quotas and admission rules, so the instance comes back. */
function refusedFor(workload: WorkloadFinding): Reason | undefined {
  const reason = workload.kind === 'observed' ? workload.verdict.reason : undefined
  return reason && reasons[reason].recovery === 'recheck' ? reason : undefined
}

/** A permanent failure stalls the instance instead of being retried, because the status can show it. */
function reportedFailureOutcome(failure: OperatorError, pass: Pass, random: number): Outcome {
  const { reason, message, fate } = failure
  const outcome = failureOutcome(failure, pass, random)
  return outcome.kind === 'retry' && fate === 'permanent' ? { kind: 'stalled', reason, message } : outcome
}

/** A failure that only a change helps is reported before one that may pass without it. */
function worst(failures: readonly OperatorError[]): OperatorError | undefined {
  return failures.find(each => each.fate === 'permanent') ?? failures[0]
}

function obstacleOf(
  decision: Exclude<Decision, { kind: 'expire' }>,
  acted: Acted,
  outcome: Outcome,
): Findings['obstacle'] {
  const failure = worst(acted.failures)
  if (failure) return failureObstacle(failure, outcome)
  if (decision.kind === 'look') return 'not-examined'
  return decision.kind === 'hold' ? decision.obstacle : undefined
}

/** A workload that this pass has written is under way, whatever was observed before. */
function workloadOf({ observed: { deployment, pod }, acted, now }: PassFacts): WorkloadFinding {
  if (deployment === undefined || rolled(deployment, acted)) return { kind: 'none' }
  const verdict = workloadVerdict(deploymentDigest(deployment), pod ? [podDigest(pod)] : 'unknown', now)
  return { kind: 'observed', verdict }
}

/** Whether this pass changed the pods. A change of labels, annotations or the progress deadline keeps them. */
function rolled(deployment: Deployment, { changes }: Acted): boolean {
  return changes.some(({ child, replacesPods }) => child.kind === deployment.kind && replacesPods)
}

function grantedBy({ desired }: Extract<Decision, { kind: 'converge' }>): Granted {
  const { namespace, url, endpoints, cpuMillicores, memMb } = desired
  return { namespace, url, endpoints, cpuMillicores, memMb }
}

/** A refused template counts as considered too: only its next generation needs another pass. */
function consideredTemplate(
  { template: read, instance }: Observed,
  decision: Decision,
): Pick<Findings, 'template'> {
  if (read.kind !== 'read') return {}
  const { uid, generation = 0 } = read.template.metadata
  const before = instance.status?.template?.hash ?? ''
  const takenUp = decision.kind === 'converge' && !decision.keep
  return { template: { uid, generation, hash: takenUp ? decision.desired.templateHash : before } }
}
