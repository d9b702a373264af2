import type { Reason } from '../reasons.ts'
import type { ExposureType } from './challenge-template.ts'
import type { Condition, ObjectMeta } from './objects.ts'

export type Phase = 'Pending' | 'Provisioning' | 'Ready' | 'Idle' | 'Failed' | 'Terminating'

export interface ChallengeInstanceSpec {
  templateRef: string
  owner: { teamId: number; eventId: number }
  /** Notes of the platform. They go into the database row and the events, never into pods. */
  annotations?: Record<string, string>
  env?: Record<string, string>
  expiresAt?: string
  suspend?: boolean
  restartedAt?: string
}

/** The record of an object that was applied for the instance. Pruning and drift detection read it. */
export interface Child {
  apiVersion: string
  kind: string
  namespace: string
  name: string
  /** The version after our last write, see `childVersion`. */
  version: string
  /** Hash of the applied desired state. It is keyed if it covers secret content. */
  hash: string
  /** Repairs of late, each soon after the one before: something else keeps changing the child. */
  repairs?: { count: number; at: string }
}

export interface Endpoint {
  name: string
  protocol: string
  host: string
  port: number
  url?: string
}

export interface ExposureStatus {
  type: Exclude<ExposureType, 'None'>
  /** The host that is claimed for the instance. */
  host?: string
  /** What the exposing object said when it was read last, see `exposureState`. */
  state?: string
  /** The first Ready waits until players reach the instance. */
  awaited?: boolean
}

export interface Hibernation {
  reason: 'Suspended' | 'Idle'
  /** RFC 3339. */
  since: string
}

export type ConditionType = 'Ready' | 'Progressing' | 'Stalled' | 'Synced' | 'Exposed' | 'IdleDetection'

export interface ChallengeInstanceStatus {
  phase?: Phase
  url?: string
  namespace?: string
  message?: string
  podName?: string
  cpuMillicores?: number
  memMb?: number
  reason?: Reason
  observedGeneration?: number
  conditions?: Condition[]
  expiresAt?: string
  /** Minutes of the organiser's credits that `expiresAt` includes; undefined: 0, or the instance does not end. */
  creditMinutes?: number
  /** The end of which `instance.expiring` was written. */
  warnedOf?: string
  /**
   * Number of the last event of the instance when its row was written last. Undefined: no row was written, or an earlier
   * release wrote it. It outlives the database.
   */
  eventSequence?: number
  lastActivityAt?: string
  /** Present only while the instance is hibernated. */
  hibernation?: Hibernation
  template?: {
    uid: string
    /**
     * The generation that was considered last, also if `updateStrategy: Keep` did not apply it; `generationOfNoTemplate`
     * while the template does not exist.
     */
    generation: number
    /** Hash of the template as the workload uses it; `hashOfNoTemplate` while there is none. */
    hash: string
    /** Name of the Secret that keeps the template as it is in use. */
    revision?: string
    /** The instance served when it took this template up. Only such an instance can hold a roll-out. */
    served?: boolean
    /** resourceVersion of the Secret that a flag's `secretRef` names, as it was read last. */
    flagVersion?: string
  }
  /** Hash of the operator's settings that the workload was built with. */
  configuration?: string
  /** RFC 3339; present only while it lies ahead. */
  availableFrom?: string
  /** The instance comes from an older operator, and its objects are still to be taken over. */
  adopting?: boolean
  /** Changes of the phase since an RFC 3339 date: a flapping phase is reported at growing distances. */
  phaseChanges?: { count: number; since: string }
  /** The value of the force-sync annotation that was taken up last. */
  handledSync?: string
  /** How players from outside of the cluster reach the instance; undefined: they do not. */
  exposure?: ExposureStatus
  endpoints?: Endpoint[]
  children?: Child[]
}

export interface ChallengeInstance {
  apiVersion: string
  kind: 'ChallengeInstance'
  metadata: ObjectMeta
  spec: ChallengeInstanceSpec
  status?: ChallengeInstanceStatus
}

/** `status.template.generation` while there is no such template. Generations of objects begin at 1. */
export const generationOfNoTemplate = 0

/** `status.template.hash` of an instance that has taken up no template yet. The schema requires a hash. */
export const hashOfNoTemplate = ''

/** `spec.owner.teamId` of an instance that is nobody's in particular: all teams share it, and the platform has no row of it. */
export const sharedTeam = 0
