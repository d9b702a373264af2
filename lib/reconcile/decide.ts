import type { OperatorConfig } from '../config/operator.ts'
import type { ChallengeInstance } from '../crd/challenge-instance.ts'
import type { ChallengeTemplate } from '../crd/challenge-template.ts'
import { annotations } from '../crd/group.ts'
import { type Desired, desiredState } from '../desired/desired.ts'
import { flagSource, flagValue } from '../desired/flag/flag.ts'
import { isProblem, type Problem } from '../desired/problem.ts'
import { expiredAt, expiresAt, notYetAvailable } from '../lifetime.ts'
import { type Reason, reasons } from '../reasons.ts'
import type { Observed } from './observe.ts'
import type { Obstacle } from './obstacle.ts'

/** What to do about what was observed. An instance that lives on has an end, whatever else is decided about it. */
export type Decision =
  /** The time of the instance is over: delete it. */
  | { kind: 'expire' }
  | (LiveDecision & {
      /** Epoch milliseconds; undefined: never. */
      expiresAt: number | undefined
    })

type LiveDecision =
  /** Only report the workload. */
  | { kind: 'look' }
  /** Leave everything as it is and report the obstacle. `afterMs`: look again after this delay. */
  | { kind: 'hold'; obstacle: Obstacle; afterMs: number | undefined }
  /** Apply the desired state. `keep`: only put back what is missing. */
  | { kind: 'converge'; desired: Desired; keep: boolean }

/** @param now epoch milliseconds */
export function decide(observed: Observed, config: OperatorConfig, now: number): Decision {
  const { instance } = observed
  const template = observed.template.kind === 'read' ? observed.template.template : undefined
  const at = expiresAt(instance, template, config)
  const isOver = at !== undefined && at <= now
  if (isOver && !paused(instance) && observed.template.kind !== 'unread') return { kind: 'expire' }
  return { ...decideLive(observed, config, now), expiresAt: at }
}

/** Whether the time of an instance is over that could not be observed. @param now epoch milliseconds */
export function isOverUnobserved(instance: ChallengeInstance, config: OperatorConfig, now: number): boolean {
  return !paused(instance) && expiredAt(instance, undefined, config, now) !== undefined
}

function decideLive(observed: Observed, config: OperatorConfig, now: number): LiveDecision {
  const { instance } = observed
  if (paused(instance)) return hold('Paused', reasons.Paused.sentence)
  if (observed.template.kind === 'unread') return { kind: 'look' }
  const template = observed.template.kind === 'read' ? observed.template.template : undefined
  if (template === undefined) return hold('TemplateMissing', templateMissing(instance))
  const opens = notYetAvailable(template, now)
  if (opens !== undefined && (instance.status?.children ?? []).length === 0)
    return hold('NotYetAvailable', reasons.NotYetAvailable.sentence, opens - now)
  const desired = desiredOf(observed, template, config)
  if (isProblem(desired)) return hold(desired.reason, desired.message)
  return {
    kind: 'converge',
    desired,
    keep: keeps(instance, template, desired),
  }
}

function desiredOf(
  { instance, referencedFlag, environment }: Observed,
  template: ChallengeTemplate,
  config: OperatorConfig,
): Desired | Problem {
  const { uid, namespace: placementNamespace } = instance.metadata
  const source = flagSource(template)
  const value = isProblem(source) ? source : flagValue(source, uid, config, referencedFlag)
  const flag = isProblem(value) ? undefined : value.flag
  const env = isProblem(environment) ? {} : environment.env
  const desired = desiredState({ instance, template, config, flag, env, placementNamespace })
  // A template that cannot be used at all is reported before an environment or a flag that is wrong.
  return [desired, environment, value].find(isProblem) ?? desired
}

function hold(reason: Reason, message: string, afterMs?: number): LiveDecision {
  const stalled = reasons[reason].recovery === 'on-change'
  return { kind: 'hold', obstacle: { reason, message, stalled }, afterMs }
}

function paused({ metadata }: ChallengeInstance): boolean {
  return metadata.annotations?.[annotations.paused] === 'true'
}

function templateMissing({ spec, metadata }: ChallengeInstance): string {
  return (
    `ChallengeTemplate "${spec.templateRef}" does not exist in namespace "${metadata.namespace}". ` +
    'Create it, and the instance follows by itself.'
  )
}

function keeps(instance: ChallengeInstance, template: ChallengeTemplate, desired: Desired): boolean {
  const inUse = instance.status?.template?.hash ?? ''
  return template.spec.updateStrategy === 'Keep' && inUse !== '' && inUse !== desired.templateHash
}
