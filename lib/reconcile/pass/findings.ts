import type {
  ChallengeInstance,
  ChallengeInstanceStatus,
  Child,
  Endpoint,
  ExposureStatus,
  Hibernation,
} from '../../crd/challenge-instance.ts'
import type { Stored } from '../../crd/objects.ts'
import type { ExposureVerdict } from '../../observed/exposure.ts'
import type { WorkloadVerdict } from '../../observed/workload.ts'
import type { Reason } from '../../reasons.ts'

/** What a pass found and did. The status follows from it; optional parts that are absent stay as they were reported. */
export interface Findings {
  instance: Stored<ChallengeInstance>
  workload: WorkloadFinding
  /** `not-examined`: the pass only looked at the workload. What was reported stays. */
  obstacle: Obstacle | 'not-examined' | undefined
  children: Child[]
  granted?: Granted
  /**
   * When the instance ends, in epoch milliseconds; `at` is undefined: never. `creditMinutes`: the credits in it. `isNear`:
   * the platform is warned of it.
   */
  end?: { at: number | undefined; creditMinutes: number; isNear: boolean } | undefined
  /** Undefined: as before. */
  use?: Use | undefined
  /** When the instance may start, in epoch milliseconds; `at` is undefined: now. */
  opening?: { at: number | undefined } | undefined
  /** Undefined: as before. */
  template?: ChallengeInstanceStatus['template'] | undefined
  /** See `recordedConfiguration`. Undefined: as before. */
  configuration?: string | undefined
  /** Whether the pass is the answer to this generation. A failed pass that comes back is not, nor one during a pause. */
  observesGeneration: boolean
  /** Whether the pass is the answer to a `force-sync`: it verified everything. */
  handlesSync: boolean
  terminating: boolean
  /** Undefined: the pass did not examine it. What was reported stays. */
  exposure?: ExposureFinding | undefined
  /** The instance has no workload and cannot start, so it needs no room. */
  cannotStart?: boolean
  /** Every desired child is recorded. */
  complete?: boolean
}

/** Why a pass cannot bring the instance further. `stalled`: only a change helps; else the instance comes back. */
export interface Obstacle {
  reason: Reason
  /** For the status, and so for players. */
  message: string
  stalled: boolean
}

export type WorkloadFinding =
  | { kind: 'observed'; verdict: WorkloadVerdict }
  /** There is no workload yet, or it was written by this pass. */
  | { kind: 'none' }
  /** A failure kept the pass from reading the workload. What was reported of it stays. */
  | { kind: 'not-observed' }

/** `none`: the template asks for no exposure. */
export type ExposureFinding =
  | { kind: 'none' }
  | {
      kind: 'examined'
      type: ExposureStatus['type']
      required: boolean
      /** The host that is claimed for the instance. */
      host: string | undefined
      /** See `exposureState`; undefined: there is no exposing object. */
      state: string | undefined
      verdict: ExposureVerdict
    }

/** What is known of the exposure of an instance after a pass. */
export interface ExposureFact {
  /** Undefined: players reach the instance. */
  reason: Reason | undefined
  message: string
  recorded: ExposureStatus
}

/** What the desired state gives the instance. */
export interface Granted {
  namespace: string
  url: string
  endpoints: Endpoint[]
  cpuMillicores: number
  memMb: number
}

/** What is known of the use of an instance, and what follows from it. */
export interface Use {
  /** Undefined: the instance runs. */
  hibernation: Hibernation | undefined
  /** A wake, or a start that came later than the creation, in epoch milliseconds: the idle clock begins there. */
  beganAt: number | undefined
  /** Whether anything tells of activity; undefined: the pass did not ask. */
  hasSource: boolean | undefined
  /** Whether players use it, see `isInUse`; undefined: it is not known, or the instance is hibernated. */
  inUse?: boolean | undefined
}
