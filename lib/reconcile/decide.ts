import type { OperatorConfig } from '../config/operator.ts'
import type { ChallengeInstance } from '../crd/challenge-instance.ts'
import type { ChallengeTemplateSpec } from '../crd/challenge-template.ts'
import { type Desired, type DesiredChild, type DesiredInput, desiredState } from '../desired/desired.ts'
import { flagSource, flagValue, keptFlag } from '../desired/flag/flag.ts'
import { referencedFlag } from '../desired/flag/referenced-flag.ts'
import { usesKeys } from '../desired/flag/uses-keys.ts'
import { workloadNamespace } from '../desired/identity.ts'
import { flagFingerprintAnnotation, restartedAtAnnotation } from '../desired/objects/pod.ts'
import { isProblem, type Problem } from '../desired/problem.ts'
import { placementProblem } from '../desired/validation/placement-problems.ts'
import {
  creditsReported,
  dateAdvice,
  expiredAt,
  expiresAt,
  notYetAvailable,
  parseTime,
  rfc3339,
} from '../lifetime.ts'
import type { HeldRollout } from '../messages.ts'
import { isPaused } from '../observed/paused.ts'
import { type Reason, reasons } from '../reasons.ts'
import { type EndTimes, untilEndMs } from './ends/judge-end.ts'
import { useOf } from './hibernation.ts'
import { type Causes, expectsEnd } from './pass/causes.ts'
import type { Obstacle, Use } from './pass/findings.ts'
import type { Observed, TemplateSource } from './pass/observation.ts'
import { wouldChange } from './pass/would-change.ts'
import { keepsPod, mayKeepOwnPolicy, ownPolicyOfLockdown } from './policy/own-policy.ts'

/** What to do about what was observed. An instance that lives on has its dates, whatever else is decided about it. */
export type Decision =
  /** The time of the instance is over: delete it. */
  | {
      kind: 'expire'
      /** Epoch milliseconds. */
      at: number
    }
  | (LiveDecision & {
      /** Epoch milliseconds; undefined: never. */
      expiresAt: number | undefined
      /** When an instance without children may start, in epoch milliseconds; undefined: now. */
      availableFrom: number | undefined
      /** See `ownPolicyOfLockdown`. Only where nothing else is applied. */
      ownPolicy?: DesiredChild
    })

type LiveDecision =
  /** Only report the workload. */
  | { kind: 'look' }
  /** The organiser's clock is paused, and nothing is held back: report the workload, and change nothing. */
  | { kind: 'hold' }
  /** Leave everything as it is and report the obstacle. */
  | {
      kind: 'leave'
      obstacle: Obstacle
      /** It could start if there was room. */
      waitsForRoom?: true
    }
  /** Apply the desired state. */
  | {
      kind: 'converge'
      desired: Desired
      /** The template that the desired state is built from. */
      source: TemplateSource
      /** Why the instance stays on an earlier template. */
      obstacle: Obstacle | undefined
      use: Use
    }

/** @param now a time that the API server has reached, in epoch milliseconds */
export function decide(observed: Observed, config: OperatorConfig, now: number): Decision {
  const { instance, clock } = observed
  const built = firstUsable(observed, config, now)
  const at = expiresAt(instance, built?.source.template, { ...config, ...clock })
  const isOver = at !== undefined && at <= now
  const ends = isOver && !isPaused(instance.metadata) && observed.template.kind !== 'unread'
  if (ends && !clock.paused) return { kind: 'expire', at }
  const availableFrom = opensAt(observed, built, now)
  const live = decideLive(observed, built, availableFrom)
  const ownPolicy = ownPolicyOfLockdown(observed, config)
  const held = clock.paused ? heldBack(observed, live, { ends, ownPolicy }) : live
  const dated = { ...held, expiresAt: at, availableFrom }
  return ownPolicy && held.kind !== 'converge' ? { ...dated, ownPolicy } : dated
}

const clockPaused = 'The organiser has paused the operator. What is due is done when the pause ends.'

/** During a pause of the organiser's clock: says so where something would be done, and changes nothing. */
function heldBack(
  observed: Observed,
  live: LiveDecision,
  { ends, ownPolicy }: { ends: boolean; ownPolicy: DesiredChild | undefined },
): LiveDecision {
  if (ends) return leave('Paused', clockPaused)
  if (live.kind === 'leave') return live
  return live.kind === 'converge' && wouldChange(observed, live, ownPolicy)
    ? leave('Paused', clockPaused)
    : { kind: 'hold' }
}

/**
 * Returns how long a pass waits for an end that its sender took for over. Undefined if none did, or if the end was moved.
 * It waits until the end has most likely come. A read after that shows whether the API server has reached it.
 */
export function endsInMs(
  { instance, clock }: Observed,
  decision: Decision,
  pass: Causes,
  times: EndTimes,
): number | undefined {
  if (decision.kind === 'expire' || decision.expiresAt === undefined) return undefined
  if (isPaused(instance.metadata) || clock.paused) return undefined
  return expectsEnd(pass) ? untilEndMs(decision.expiresAt, times) : undefined
}

/**
 * Returns the end of an instance that could not be observed, if it has come, in epoch milliseconds. A reported end that lacks
 * a credit is not believed.
 * @param now a time that the API server has reached
 */
export function overUnobserved(
  { instance, clock }: Pick<Observed, 'instance' | 'clock'>,
  config: OperatorConfig,
  now: number,
): number | undefined {
  if (isPaused(instance.metadata) || clock.paused || !creditsReported(instance, clock)) return undefined
  return expiredAt(instance, undefined, { ...config, ...clock }, now)
}

/** A later opening stops no instance that runs. */
function opensAt({ instance }: Observed, built: Built | undefined, now: number): number | undefined {
  if (built === undefined || (instance.status?.children ?? []).length > 0) return undefined
  return notYetAvailable(built.source.template, now)
}

function decideLive(
  observed: Observed,
  built: Built | undefined,
  availableFrom: number | undefined,
): LiveDecision {
  const { instance, template } = observed
  if (isPaused(instance.metadata)) return leave('Paused', reasons.Paused.sentence)
  if (template.kind === 'unread') return { kind: 'look' }
  if (built === undefined)
    return template.kind === 'missing'
      ? leave('TemplateMissing', templateMissing(instance))
      : { kind: 'look' }
  const { source, desired, refused, use } = built
  if (availableFrom !== undefined)
    return leave(
      'NotYetAvailable',
      `${reasons.NotYetAvailable.sentence} It opens at ${rfc3339(availableFrom)}.`,
    )
  if (isProblem(desired)) return leave(desired.reason, desired.message)
  const missing: Problem = { reason: 'TemplateMissing', message: templateMissing(instance) }
  const problem = template.kind === 'missing' ? missing : refused
  const obstacle = problem
    ? obstacleOf(problem.reason, problem.message)
    : (endUnreadable(instance) ?? rolloutWaiting(observed, source))
  return { kind: 'converge', desired, source, obstacle, use }
}

/** What a source gives. `refused`: the problem of a source that is preferred to it. */
interface Built {
  source: TemplateSource
  desired: Desired | Problem
  use: Use
  refused?: Problem
}

/** The desired state of the first source without a problem; if each has one, the problem of the first. */
function firstUsable(observed: Observed, config: OperatorConfig, now: number): Built | undefined {
  const [preferred, inUse] = observed.sources
  if (preferred === undefined) return undefined
  const first = built(observed, preferred, config, now)
  if (!isProblem(first.desired) || inUse === undefined) return first
  const stays = built(observed, inUse, config, now)
  return isProblem(stays.desired) ? first : { ...stays, refused: first.desired }
}

function built(observed: Observed, source: TemplateSource, config: OperatorConfig, now: number): Built {
  const use = useOf(observed, source.template.spec, config, now)
  return { source, desired: desiredOf(observed, source, config, use), use }
}

/**
 * Whether the pod of an instance stays if it is built from a template that it took up, apart from a hibernation: a pod that
 * comes back is that of before.
 */
export function keepsPodWith(observed: Observed, inUse: TemplateSource, config: OperatorConfig): boolean {
  const { hibernation } = observed.instance.status ?? {}
  const use = { hibernation, beganAt: undefined, hasSource: undefined }
  const desired = desiredOf(observed, inUse, config, use)
  return !isProblem(desired) && keepsPod(observed.instance, desired)
}

/**
 * Says why the instance stays on an earlier template while the roll-out of the newer one is held. It is said until the
 * instance takes the newer one up, also by passes that know nothing of the roll-out.
 */
function rolloutWaiting(
  { instance, template, held }: Observed,
  { exists }: TemplateSource,
): Obstacle | undefined {
  if (exists || template.kind !== 'read' || template.template.spec.updateStrategy === 'Keep') return undefined
  if (held) return obstacleOf('RolloutWaiting', heldMessage(held))
  const { reason, message = '' } = instance.status ?? {}
  return reason === 'RolloutWaiting' ? obstacleOf(reason, message) : undefined
}

function heldMessage({ notReady, of }: HeldRollout): string {
  return (
    `A newer version of this challenge waits: of ${of} instances that served when they took it up, ${notReady} are ` +
    'not Ready. This instance keeps its version until they are, or until the template is corrected.'
  )
}

function desiredOf(
  observed: Observed,
  { template, flagSecret, environment, exposure }: TemplateSource,
  config: OperatorConfig,
  use: Use,
): Desired | Problem {
  const { instance } = observed
  const { uid } = instance.metadata
  const { placement = config.placement.byDefault } = template.spec
  const placementNamespace = workloadNamespace(instance, placement, config.placement)
  const source = flagSource(template)
  const referenced =
    !isProblem(source) && source.kind === 'secretRef'
      ? referencedFlag(flagSecret, source.secret.key, config)
      : undefined
  const kept = isProblem(source) ? undefined : keptFlag(source, observed.keptFlag)
  const made = isProblem(source) ? source : flagValue(source, uid, config, referenced)
  const value = keysUnknown(template.spec, config) ?? (kept === undefined ? made : { flag: kept })
  const flag = isProblem(value) ? undefined : value.flag
  const fingerprint = flag !== undefined && flag === observed.keptFlag ? podFingerprint(observed) : undefined
  const env = isProblem(environment) ? {} : environment.env
  const { lockdown } = observed.clock
  const hibernated = use.hibernation !== undefined
  const given = { flag, fingerprint, env, placementNamespace, exposure, lockdown, hibernated }
  const input = { instance, template, config, ...given }
  const desired = keepingPod(observed, input)
  // A template that cannot be used at all is reported before an environment or a flag that is wrong.
  const place = placementProblem(instance, placement, placementNamespace)
  return [desired, place, environment, value].find(isProblem) ?? desired
}

/** Without the keys nothing can be told of what is made with them: what an instance has stays. */
function keysUnknown(
  spec: ChallengeTemplateSpec,
  { keysProblem }: Pick<OperatorConfig, 'keysProblem'>,
): Problem | undefined {
  if (keysProblem === undefined || !usesKeys(spec)) return undefined
  return { reason: 'FlagSecretMissing', message: `The keys of flags cannot be read: ${keysProblem}.` }
}

function podFingerprint({ deployment }: Observed): string | undefined {
  return deployment?.spec?.template?.metadata?.annotations?.[flagFingerprintAnnotation]
}

/**
 * The desired state, as far as it can with what the pod was made with, so that the pod stays: the policy of the instance's
 * own, and the restart that the spec does not ask for any more.
 */
function keepingPod(observed: Observed, input: DesiredInput): Desired | Problem {
  const ownPolicy = mayKeepOwnPolicy(observed)
  const formerRestartedAt = restartTakenAway(observed)
  const asMade = [
    ...(ownPolicy ? [{ ...input, ownPolicy, formerRestartedAt }] : []),
    ...(formerRestartedAt === undefined ? [] : [{ ...input, formerRestartedAt }]),
  ].map(desiredState)
  return asMade.find(each => !isProblem(each) && keepsPod(observed.instance, each)) ?? desiredState(input)
}

/**
 * The value of a `spec.restartedAt` that was taken away, from the Deployment. It counts only if the record shows that the
 * whole Deployment is as we made it with that value.
 */
function restartTakenAway({ instance, deployment }: Observed): string | undefined {
  if (instance.spec.restartedAt !== undefined) return undefined
  return deployment?.spec?.template?.metadata?.annotations?.[restartedAtAnnotation]
}

function leave(reason: Reason, message: string): LiveDecision {
  return { kind: 'leave', obstacle: obstacleOf(reason, message) }
}

function obstacleOf(reason: Reason, message: string): Obstacle {
  return { reason, message, stalled: reasons[reason].recovery === 'on-change' }
}

/** An end that was stored under an earlier schema may be no date. It does not keep the instance from its template. */
function endUnreadable({ spec }: ChallengeInstance): Obstacle | undefined {
  if (spec.expiresAt === undefined || parseTime(spec.expiresAt) !== undefined) return undefined
  const message = `spec.expiresAt is no date, so the end follows from the template alone; ${dateAdvice}.`
  return obstacleOf('DateInvalid', message)
}

function templateMissing({ spec, metadata }: ChallengeInstance): string {
  return (
    `ChallengeTemplate "${spec.templateRef}" does not exist in namespace "${metadata.namespace}". ` +
    'Create it, and the instance follows.'
  )
}
