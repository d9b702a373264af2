import type { Reason } from '../../reasons.ts'
import type { ExposureFact, Obstacle } from '../pass/findings.ts'

/**
 * What is known of an instance after a pass. A fact is fresh if the pass examined it, else it is kept from the last pass
 * that did. The status follows from the facts alone, so no pass forgets what it has not examined.
 *
 * Kept facts are read off the status: `Ready` is the workload's, `Stalled` names what only a change helps against, and
 * `reason` and `message` are the obstacle's if there is one. `examinedBy` in the table of reasons tells them apart.
 */
export interface Facts {
  /** Why the instance does not get further. */
  obstacle: Obstacle | undefined
  /** The obstacle that only a change helps against. It outlasts a pass that failed before it could examine it. */
  stall: Obstacle | undefined
  /** Undefined: there is no workload yet, or it was written by this pass. */
  workload: WorkloadFact | undefined
  exposure: ExposureFact | undefined
}

export interface WorkloadFact {
  ready: boolean
  /** Does not progress without a change. */
  failed: boolean
  /** What is wrong; undefined while all is well or simply under way. */
  reason: Reason | undefined
  /** Reason of the `Ready` condition. */
  readyReason: string
  /** Message of the `Ready` condition: what is wrong, in the words of the cluster if it says more than the reason. */
  message: string
  podName: string | undefined
  /** The generation of the spec for which the workload was examined. */
  generation: number
}

/** Whether the database has the row, for the `Synced` condition. */
export interface Sync {
  ok: boolean
  reason: Reason | undefined
  message: string
}
