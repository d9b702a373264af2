import { creditMinutes, creditScope } from '../../clock/credits.ts'
import type { OperatorConfig } from '../../config/operator.ts'
import type { Child } from '../../crd/challenge-instance.ts'
import { isWorkload } from '../../crd/child-kinds.ts'
import type { Deployment } from '../../crd/objects.ts'
import type { OperatorError } from '../../errors.ts'
import { warnedAt } from '../../lifetime.ts'
import { deploymentDigest } from '../../observed/deployment.ts'
import { podDigest } from '../../observed/pod.ts'
import { isContested } from '../../observed/repairs.ts'
import { hibernatedVerdict, workloadVerdict } from '../../observed/workload.ts'
import { waitsForDate } from '../../reason-rules.ts'
import { type Reason, reasons } from '../../reasons.ts'
import type { Acted } from '../act/acted.ts'
import type { Decision } from '../decide.ts'
import { wakeToKeep } from '../hibernation.ts'
import { answersForceSync } from '../pass/causes.ts'
import type { ExposureFinding, Findings, Granted, Obstacle, Use, WorkloadFinding } from '../pass/findings.ts'
import type { Observed } from '../pass/observation.ts'
import { failureObstacle } from '../pass/obstacle.ts'
import {
  datedOutcome,
  failureOutcome,
  type Outcome,
  type Pass,
  requeue,
  waitOutcome,
} from '../pass/outcome.ts'
import { isOwnPolicyClosed, mayKeepOwnPolicy } from '../policy/own-policy.ts'
import { type Configurations, configurationAfter, configurationAfterLockdown } from './configuration-after.ts'
import { addressesWith, exposureFinding } from './exposure-finding.ts'
import { type Built, templateAfter } from './template-after.ts'

export interface ConcludeInput {
  observed: Observed
  decision: Decision
  acted: Acted
  pass: Pass
  config: Pick<OperatorConfig, 'exposure' | 'keysProblem' | 'warnMinutes'>
  configurations: Configurations
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
export function conclude(input: ConcludeInput): Conclusion {
  const { observed, decision, acted, config } = input
  if (decision.kind === 'expire')
    return { outcome: { kind: 'settled' }, findings: undefined, flagHmac: undefined }
  const workload = workloadOf(input)
  const built = decision.kind === 'converge' && acted.converged ? decision : undefined
  const exposure = built && exposureFinding({ ...built, acted, pods: observed.pods, config: config.exposure })
  const outcome = withRepair(outcomeOf(input, workload, exposure), acted, input.now)
  // Nothing is acted on during a pause, so a change of the spec is still to be taken up when the pause goes.
  const observes = observesGeneration(outcome) && !isPaused(decision)
  const findings: Findings = {
    instance: observed.instance,
    workload,
    obstacle: obstacleOf(input, { decision, outcome, workload }),
    children: acted.children,
    observesGeneration: observes,
    handlesSync: observes && answersForceSync(input.pass),
    terminating: false,
    end: {
      at: decision.expiresAt,
      creditMinutes: creditsOf(observed),
      isNear: endIsNear(input, decision.expiresAt),
    },
    opening: observed.template.kind === 'unread' ? undefined : { at: decision.availableFrom },
    cannotStart: cannotStart(decision, acted.children),
    complete: decision.kind === 'converge' && acted.failures.length === 0,
    exposure,
    use: useAfter(decision, acted) ?? wakeToKeep(observed, input.now),
    ...(built && exposure ? { granted: grantedBy(built, exposure, observed) } : {}),
    configuration: configurationOf(input, { built, observes }),
    // During a pause of the clock no template is taken up, nor refused.
    template: templateAfter(observed, {
      built: built && builtOf(built),
      observes: observes && decision.kind !== 'hold',
    }),
  }
  return { outcome, findings, flagHmac: built?.desired.flagHmac }
}

/**
 * See `configurationAfter`. An instance that is only held keeps the record, and its own policy follows a lockdown. One that
 * has no record yet counts as built with the present settings.
 */
function configurationOf(
  { observed, acted, configurations, config }: ConcludeInput,
  { built, observes }: { built: Extract<Decision, { kind: 'converge' }> | undefined; observes: boolean },
): string | undefined {
  const { open, closed } = configurations
  const { instance, clock } = observed
  const isFirst =
    instance.status?.configuration === undefined &&
    isOwnPolicyClosed(instance, acted.children) === clock.lockdown
  const after = configurationAfter(observed, {
    configuration: clock.lockdown ? closed : open,
    observes: observes || isFirst,
    ownPolicy: built ? built.desired.sharedPolicy === undefined : mayKeepOwnPolicy(observed),
    keysUnknown: config.keysProblem !== undefined,
  })
  return after ?? configurationAfterLockdown(observed, acted.children, configurations)
}

/** The minutes of credits that count for an instance. */
function creditsOf({ instance, clock }: Pick<Observed, 'instance' | 'clock'>): number {
  return creditMinutes(creditScope(instance), clock.credits)
}

/**
 * Concludes a pass that failed before it had observed the workload, or while it tore it down.
 * `expiresAt`: the end as far as the instance alone says, in epoch milliseconds, as `now` is.
 */
export function concludeFailedRead(
  { instance, clock }: Pick<Observed, 'instance' | 'clock'>,
  failure: OperatorError,
  {
    pass,
    random,
    expiresAt,
    now,
  }: { pass: Pass; random: number; expiresAt: number | undefined; now: number },
): { outcome: Outcome; findings: Findings } {
  const outcome = reportedFailureOutcome(failure, pass, random)
  const observes = observesGeneration(outcome)
  const findings: Findings = {
    instance,
    workload: { kind: 'not-observed' },
    obstacle: failureObstacle(failure, outcome),
    children: instance.status?.children ?? [],
    observesGeneration: observes,
    handlesSync: observes && answersForceSync(pass),
    terminating: false,
    // A warning of an end that is known in part only could be wrong.
    end: { at: expiresAt, creditMinutes: creditsOf({ instance, clock }), isNear: false },
    use: wakeToKeep({ instance, activity: undefined }, now),
  }
  return { outcome, findings }
}

/** An end that a pause holds back is not warned of. */
function endIsNear({ config, decision, now }: ConcludeInput, at: number | undefined): boolean {
  const warned = warnedAt(at, config.warnMinutes)
  return warned !== undefined && warned <= now && decision.kind !== 'hold' && !isPaused(decision)
}

function observesGeneration(outcome: Outcome): boolean {
  return outcome.kind !== 'retry' || outcome.exhausted
}

function outcomeOf(
  { decision, acted, pass, now, random }: ConcludeInput,
  workload: WorkloadFinding,
  exposure: ExposureFinding | undefined,
): Outcome {
  const failure = worst(acted.failures)
  if (failure) return reportedFailureOutcome(failure, pass, random)
  const { obstacle, availableFrom } = { obstacle: undefined, availableFrom: undefined, ...decision }
  if (obstacle === undefined || waitsForTurn(obstacle)) {
    const refused = refusedFor(workload) ?? lackedBy(workload, acted)?.reason ?? unexposedFor(exposure)
    return refused ? waitOutcome(refused, pass, random) : { kind: 'settled' }
  }
  const { reason, message, stalled } = obstacle
  if (stalled) return { kind: 'stalled', reason, message }
  return availableFrom !== undefined && waitsForDate(reason)
    ? datedOutcome(reason, availableFrom - now)
    : waitOutcome(reason, pass, random)
}

/** A child that nobody watches was left during the pause between two repairs, so the instance comes back at its end. */
function withRepair(outcome: Outcome, { repairDueAt }: Acted, now: number): Outcome {
  if (repairDueAt === undefined || outcome.kind === 'requeue' || outcome.kind === 'retry') return outcome
  return requeue('Contested', Math.max(0, repairDueAt - now))
}

/** The reason for which the cluster refuses the pods. No watch covers quotas and admission rules, so the instance comes back. */
function refusedFor(workload: WorkloadFinding): Reason | undefined {
  const reason = workload.kind === 'observed' ? workload.verdict.reason : undefined
  return reason && reasons[reason].recovery === 'recheck' ? reason : undefined
}

/** What a workload lacks that does not serve. */
function lackedBy(workload: WorkloadFinding, { lacks }: Acted): OperatorError | undefined {
  return workload.kind === 'observed' && workload.verdict.ready ? undefined : lacks
}

/** The reason for which players do not reach the instance and that no watch covers. */
function unexposedFor(exposure: ExposureFinding | undefined): Reason | undefined {
  if (exposure?.kind !== 'examined' || exposure.verdict.watched) return undefined
  const { reason } = exposure.verdict
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

interface Concluded {
  decision: Exclude<Decision, { kind: 'expire' }>
  outcome: Outcome
  workload: WorkloadFinding
}

function obstacleOf(
  { acted }: ConcludeInput,
  { decision, outcome, workload }: Concluded,
): Findings['obstacle'] {
  const failure = worst(acted.failures)
  if (failure) return failureObstacle(failure, outcome)
  if (decision.kind === 'converge') {
    const { obstacle } = decision
    const lacked = lackedBy(workload, acted)
    return (
      (waitsForTurn(obstacle) ? undefined : obstacle) ??
      (lacked && failureObstacle(lacked, outcome)) ??
      contested(acted.children) ??
      obstacle
    )
  }
  if (decision.kind === 'leave') return decision.obstacle
  // Without a template that it may build from, a pass knows no more than one that only looks.
  return 'not-examined'
}

/** Nothing is wrong with an instance that waits for its turn, so everything else is said first. */
function waitsForTurn(obstacle: Obstacle | undefined): boolean {
  return obstacle !== undefined && reasons[obstacle.reason].recovery === 'turn'
}

/** Something else keeps changing a child. The repairs go on, at growing distances. */
function contested(children: readonly Child[]): Obstacle | undefined {
  const child = children.find(each => isContested(each.repairs))
  if (child === undefined) return undefined
  const message =
    `Something else in the cluster keeps changing ${child.kind} "${child.name}". The operator restores it at growing ` +
    'distances, at most five minutes apart; its log names who writes.'
  return { reason: 'Contested', message, stalled: false }
}

/**
 * A workload that this pass has written is under way, whatever was observed before. A pod that is going says nothing about
 * the one that replaces it, so the Deployment alone counts then.
 */
function workloadOf({ observed, decision, acted, now }: ConcludeInput): WorkloadFinding {
  const { deployment, pods, instance } = observed
  const { hibernation } = useAfter(decision, acted) ?? {}
  if (hibernation) return { kind: 'observed', verdict: hibernatedVerdict(hibernation.reason) }
  if (deployment === undefined || rolled(deployment, acted)) return { kind: 'none' }
  const staying = pods.map(podDigest).filter(pod => !pod.terminating || pod.nodeLost)
  const known = staying.length === 0 ? 'unknown' : staying
  const { reason } = instance.status?.hibernation ?? {}
  return { kind: 'observed', verdict: workloadVerdict(deploymentDigest(deployment), known, now, reason) }
}

/** Whether this pass changed the pods. A change of labels, annotations or the progress deadline keeps them. */
function rolled(deployment: Deployment, { writes }: Acted): boolean {
  return writes.some(({ child, replacesPods }) => child.kind === deployment.kind && replacesPods)
}

/** Whether the instance is hibernated after the pass; undefined: as before. A child that was not applied changed nothing. */
function useAfter(decision: Decision, { converged, failures }: Acted): Use | undefined {
  return decision.kind === 'converge' && converged && failures.length === 0 ? decision.use : undefined
}

function builtOf({ desired, source }: Extract<Decision, { kind: 'converge' }>): Built {
  const { revision, exists, flagSecret } = source
  const flagVersion = flagSecret?.metadata.resourceVersion
  return { hash: desired.templateHash, revision, exists, flagVersion }
}

function grantedBy(
  { desired }: Extract<Decision, { kind: 'converge' }>,
  exposure: ExposureFinding,
  { instance }: Observed,
): Granted {
  const { namespace, cpuMillicores, memMb } = desired
  return { namespace, ...addressesWith(exposure, desired, instance.status), cpuMillicores, memMb }
}

/** Whether an instance without a workload is kept from starting, other than by a pause or for want of room. */
function cannotStart(decision: Decision, children: readonly Child[]): boolean {
  if (decision.kind !== 'leave' || decision.waitsForRoom || isPaused(decision)) return false
  return !children.some(isWorkload)
}

function isPaused(decision: Decision): boolean {
  return decision.kind === 'leave' && decision.obstacle.reason === 'Paused'
}
