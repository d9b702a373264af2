import type { Reason } from '../reasons.ts'
import type { DeploymentDigest } from './deployment.ts'
import type { PodDigest } from './pod.ts'
import { podTrouble } from './trouble.ts'

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

/** What a status says of the workload: the `Ready` condition, the phase and the pod. */
export interface ReportedWorkload {
  ready: boolean
  /** Of the `Ready` condition. */
  readyReason: string
  phase: string
  podName: string | undefined
}

/** Reasons of the `Ready` condition where nothing is wrong. */
export const readyReasons = { serving: 'Available', underWay: 'Progressing' } as const

/**
 * One verdict for reconcile, which reports it, and for the forwarder, which compares it with what was reported.
 * @param pods 'unknown' where the caller could not look: then the Deployment alone is believed
 * @param now epoch milliseconds
 */
export function workloadVerdict(
  deployment: DeploymentDigest,
  pods: readonly PodDigest[] | 'unknown',
  now: number,
): WorkloadVerdict {
  const pod = pods === 'unknown' ? undefined : current(pods)
  const podName = pod?.name
  if (deployment.hibernated) return { ...underWay, podName: undefined, reason: 'Suspended' }
  const trouble = pod && podTrouble(pod, now)
  const dueAt = trouble?.dueAt
  if (trouble?.reason) {
    const failed = trouble.failed || deployment.deadlineExceeded
    return { ready: false, failed, reason: trouble.reason, podName, dueAt }
  }
  if (deployment.replicaFailure !== undefined)
    return { ...refusal(deployment.replicaFailure), podName, dueAt }
  if (deployment.available && (pods === 'unknown' || pod?.ready))
    return { ...underWay, ready: true, podName, dueAt }
  // A container whose probe could not succeed yet is under way, however long its image took.
  const isStarting = trouble !== undefined
  if (deployment.deadlineExceeded && !isStarting)
    return { ready: false, failed: true, reason: 'ProgressDeadlineExceeded', podName, dueAt }
  return { ...underWay, podName, dueAt }
}

const underWay: WorkloadVerdict = {
  ready: false,
  failed: false,
  reason: undefined,
  podName: undefined,
  dueAt: undefined,
}

/** Whether a status says what the verdict says; where not, there is a pass to make. */
export function verdictReflected(reported: ReportedWorkload, verdict: WorkloadVerdict): boolean {
  return (
    reported.ready === verdict.ready &&
    reported.readyReason === readyReason(verdict) &&
    (reported.phase === 'Failed') === verdict.failed &&
    (!verdict.ready || reported.podName === verdict.podName)
  )
}

export function readyReason(verdict: WorkloadVerdict): string {
  return verdict.reason ?? (verdict.ready ? readyReasons.serving : readyReasons.underWay)
}

/** The pod that counts: a terminating or ended one never stands for the instance while another lives. */
function current(pods: readonly PodDigest[]): PodDigest | undefined {
  const rank = (pod: PodDigest) => (pod.phase === 'Failed' || pod.phase === 'Succeeded' ? 0 : 1)
  return pods
    .filter(pod => !pod.terminating)
    .toSorted((a, b) => rank(b) - rank(a) || b.createdAt - a.createdAt || (a.name < b.name ? -1 : 1))[0]
}

/** ReplicaFailure carries the API server's refusal as text only. */
function refusal(message: string): Pick<WorkloadVerdict, 'ready' | 'failed' | 'reason'> {
  if (message.includes('exceeded quota')) return { ready: false, failed: false, reason: 'QuotaExceeded' }
  if (message.includes('violates PodSecurity'))
    return { ready: false, failed: true, reason: 'PodSecurityRefused' }
  return { ready: false, failed: true, reason: 'AdmissionRefused' }
}
