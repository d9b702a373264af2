import type { Deployment } from '../crd/objects.ts'

/** What judging a Deployment needs of it. */
export interface DeploymentDigest {
  available: boolean
  /** Reason and message of `ReplicaFailure=True`. */
  replicaFailure: { reason: string; message: string } | undefined
  /** `Progressing=False` with `ProgressDeadlineExceeded`. */
  deadlineExceeded: boolean
  /** `spec.replicas` is 0. */
  hibernated: boolean
}

export declare function deploymentDigest(deployment: Deployment): DeploymentDigest
