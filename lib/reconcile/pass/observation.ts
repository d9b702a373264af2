import type { ClockState } from '../../clock/state.ts'
import type { ChallengeInstance } from '../../crd/challenge-instance.ts'
import type { ChallengeTemplate, KnownTemplate } from '../../crd/challenge-template.ts'
import type { Deployment, KubernetesObject, Pod, Secret, Stored } from '../../crd/objects.ts'
import type { ExposureGround } from '../../desired/exposure/exposure.ts'
import type { Problem } from '../../desired/problem.ts'
import type { HeldRollout, InstanceKey } from '../../messages.ts'

/** Everything that a pass decides on. It is read up front. */
export interface Observed {
  instance: Stored<ChallengeInstance>
  /** The state of the organiser's clock. */
  clock: ClockState
  template: ObservedTemplate
  /** Why the roll-out of the template is held, as the message says; undefined: it says nothing. */
  held: HeldRollout | undefined
  /** See `templateSources`. Empty if the pass did not read the template. */
  sources: readonly TemplateSource[]
  /** The flag in the instance's Secret, if FLAG_SECRET has changed since it was made; undefined: it was not read. */
  keptFlag: string | undefined
  deployment: Stored<Deployment> | undefined
  /** `last_active_at` of the row in epoch milliseconds; undefined: the pass did not read the row. */
  activity: { lastActiveAt: number | undefined } | undefined
  /** The pod that the message names, or the reported one, or both. There may be others. */
  pods: readonly Stored<Pod>[]
  /**
   * Recorded children by `childKey`, as much of them as their kind compares; undefined: gone. Unless the pass verifies
   * children, it has the one that exposes the instance at most, whose status is reported.
   */
  verified: ReadonlyMap<string, Stored<KubernetesObject> | undefined>
}

/** The template that exists now. */
export type ObservedTemplate =
  | { kind: 'read'; template: Stored<ChallengeTemplate> }
  | { kind: 'missing' }
  /** The pass only looks at the workload. */
  | { kind: 'unread' }

/** A template that an instance can be built from, and what else building from it needs. */
export interface TemplateSource {
  template: KnownTemplate
  /** Name of the Secret that keeps the template. */
  revision: string
  /** It is the template that exists now. Otherwise it is an earlier one, which the instance took up. */
  exists: boolean
  /** The Secret that a flag's `secretRef` names. */
  flagSecret: Stored<Secret> | undefined
  /** `spec.env` after the check against the template's `envSchema`. */
  environment: { env: Record<string, string> } | Problem
  exposure: ExposureGround
  /** Other instances that have to look again, since the host of this one changed. */
  wakes: readonly InstanceKey[]
}
