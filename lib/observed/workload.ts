import type { Reason } from '../errors.ts'
import type { DeploymentDigest } from './deployment.ts'
import type { PodDigest } from './pod.ts'

/** What a Deployment and its pods amount to, for a player. */
export interface WorkloadVerdict {
  ready: boolean
  /** Will not progress by itself. */
  failed: boolean
  /** What is wrong; undefined while all is well or simply under way. */
  reason: Reason | undefined
  /** The pod that serves or will serve; undefined before there is one. */
  podName: string | undefined
  /** When the same objects would be judged otherwise, in epoch milliseconds. */
  dueAt: number | undefined
}

/**
 * One verdict for reconcile, which reports it, and for the forwarder, which compares it with what was reported.
 * @param now epoch milliseconds
 */
export declare function workloadVerdict(
  deployment: DeploymentDigest,
  pods: readonly PodDigest[],
  now: number,
): WorkloadVerdict

/** Whether a status says what the verdict says; where not, there is a pass to make. */
export declare function verdictReflected(
  status: { readyStatus: boolean; readyReason: string; phase: string; podName: string | undefined },
  verdict: WorkloadVerdict,
): boolean
