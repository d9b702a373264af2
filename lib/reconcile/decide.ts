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
import type { Obstacle } from './status.ts'

/** What to do about what was observed. */
export type Decision =
  /** Only say how the workload is doing. */
  | { kind: 'look' }
  /** Leave everything as it is and say why; `afterMs`: look again then. */
  | { kind: 'hold'; obstacle: Obstacle; afterMs: number | undefined }
  /** The instance's time is over: delete it. */
  | { kind: 'expire' }
  /** Bring it to the desired state; `keep`: only put back what is missing. */
  | {
      kind: 'converge'
      desired: Desired
      template: ChallengeTemplate
      /** Epoch milliseconds; undefined: never. */
      expiresAt: number | undefined
      keep: boolean
    }

/** @param now epoch milliseconds */
export function decide(observed: Observed, config: OperatorConfig, now: number): Decision {
  const { instance, template } = observed
  if (paused(instance)) return hold('Paused', reasons.Paused.sentence)
  if (template === 'unread') return { kind: 'look' }
  if (expiredAt(instance, template, config, now) !== undefined) return { kind: 'expire' }
  if (template === undefined) return hold('TemplateMissing', templateMissing(instance))
  const opens = notYetAvailable(template, now)
  if (opens !== undefined && (instance.status?.children ?? []).length === 0)
    return hold('NotYetAvailable', reasons.NotYetAvailable.sentence, opens - now)
  const desired = desiredOf(observed, template, config)
  if (isProblem(desired)) return hold(desired.reason, desired.message)
  const { at } = expiresAt(instance, template, config)
  return { kind: 'converge', desired, expiresAt: at, template, keep: keeps(instance, template, desired) }
}

function desiredOf(
  { instance, referencedFlag, environment }: Observed,
  template: ChallengeTemplate,
  config: OperatorConfig,
): Desired | Problem {
  const source = flagSource(template)
  const value = isProblem(source)
    ? source
    : flagValue(source, instance.metadata.uid ?? '', config, referencedFlag)
  const flag = isProblem(value) ? undefined : value.flag
  const env = isProblem(environment) ? {} : environment.env
  const placementNamespace = instance.metadata.namespace ?? ''
  const desired = desiredState({ instance, template, config, flag, env, placementNamespace })
  // A template that cannot be used at all is said before what else is missing.
  return [desired, environment, value].find(isProblem) ?? desired
}

function hold(reason: Reason, message: string, afterMs?: number): Decision {
  return {
    kind: 'hold',
    obstacle: { reason, message, stalled: reasons[reason].recovery === 'on-change' },
    afterMs,
  }
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
