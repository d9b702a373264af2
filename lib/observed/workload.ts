import type { Hibernation } from '../crd/challenge-instance.ts'
import type { Reason } from '../reasons.ts'
import { refusalReason, refusalText } from '../refusal.ts'
import type { DeploymentDigest } from './deployment.ts'
import type { PodDigest } from './pod.ts'
import { podTrouble } from './trouble.ts'

/** The state of a Deployment and its pods, as a player is told it. */
export interface WorkloadVerdict {
  ready: boolean
  /** The workload makes no progress without a change. */
  failed: boolean
  /** The trouble; undefined if the workload serves or starts normally. */
  reason: Reason | undefined
  /** What the cluster says about the reason, as a sentence; undefined: no more than the reason does. */
  message?: string | undefined
  /** The pod that serves or will serve; undefined before there is one. */
  podName: string | undefined
  /** The time at which the verdict on the same objects changes, in epoch milliseconds. */
  dueAt: number | undefined
}

/** The workload as a status reports it. */
export interface ReportedWorkload {
  ready: boolean
  /** The reason of the `Ready` condition. */
  readyReason: string
  phase: string | undefined
  podName: string | undefined
  /** Message of the `Ready` condition while the pod is on no node: the words may change while the reason stays. */
  unscheduledMessage?: string | undefined
}

/** Reasons of the `Ready` condition of a workload without trouble. */
export const readyReasons = { serving: 'Available', underWay: 'Progressing' } as const

/**
 * Returns the verdict on a workload. Reconcile reports it, and the forwarder compares it with the reported one.
 * @param pods 'unknown' if the caller has not read them. The Deployment alone counts then
 * @param now epoch milliseconds
 * @param hibernatedFor why the instance has no pod, if it is hibernated
 */
export function workloadVerdict(
  deployment: DeploymentDigest,
  pods: readonly PodDigest[] | 'unknown',
  now: number,
  hibernatedFor: Hibernation['reason'] = 'Suspended',
): WorkloadVerdict {
  const pod = pods === 'unknown' ? undefined : current(pods)
  const podName = pod?.name
  if (deployment.hibernated) return hibernatedVerdict(hibernatedFor)
  const trouble = pod && podTrouble(pod, now)
  const lost = pods === 'unknown' || deployment.available ? undefined : lostPod(pods)
  const ownTrouble = trouble?.reason !== 'Unschedulable' ? trouble?.reason : undefined
  if (lost && !pod?.ready && !ownTrouble && deployment.replicaFailure === undefined)
    return withoutSuccessor(lost, deployment, now)
  const dueAt = trouble?.dueAt
  if (trouble?.reason) {
    const failed = trouble.failed || deployment.deadlineExceeded
    return { ready: false, failed, reason: trouble.reason, message: trouble.message, podName, dueAt }
  }
  const accountDueAt = accountExpectedUntil(deployment, now)
  if (accountDueAt !== undefined) return { ...underWay, podName, dueAt: accountDueAt }
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

/** The verdict on a workload that has no pod because nobody needs one. */
export function hibernatedVerdict(reason: Hibernation['reason']): WorkloadVerdict {
  return { ...underWay, reason }
}

const underWay: WorkloadVerdict = {
  ready: false,
  failed: false,
  reason: undefined,
  podName: undefined,
  dueAt: undefined,
}

/** Returns whether a status reports a verdict. If it does not, the instance needs a pass. */
export function verdictReflected(reported: ReportedWorkload, verdict: WorkloadVerdict): boolean {
  return (
    reported.ready === verdict.ready &&
    reported.readyReason === readyReason(verdict) &&
    (reported.phase === 'Failed') === verdict.failed &&
    (!verdict.ready || reported.podName === verdict.podName) &&
    (verdict.reason !== 'Unschedulable' || sameWords(reported.unscheduledMessage, verdict.message))
  )
}

/** How many nodes have which trouble changes with every node. The troubles themselves say what to do. */
function sameWords(reported: string | undefined, found: string | undefined): boolean {
  const withoutCounts = (text: string | undefined) => text?.replace(/\d+/g, '')
  return found === undefined || withoutCounts(reported) === withoutCounts(found)
}

export function readyReason(verdict: WorkloadVerdict): string {
  return verdict.reason ?? (verdict.ready ? readyReasons.serving : readyReasons.underWay)
}

/** Returns the pod that represents the instance. A terminating pod never does, an ended one only if no other exists. */
function current(pods: readonly PodDigest[]): PodDigest | undefined {
  const rank = (pod: PodDigest) => (pod.phase === 'Failed' || pod.phase === 'Succeeded' ? 0 : 1)
  return pods
    .filter(pod => !pod.terminating)
    .toSorted((a, b) => rank(b) - rank(a) || b.createdAt - a.createdAt || (a.name < b.name ? -1 : 1))[0]
}

/** Returns the pod of a node that does not answer and that Kubernetes has given up. It stays until the node comes back or goes. */
function lostPod(pods: readonly PodDigest[]): PodDigest | undefined {
  return pods.find(pod => pod.terminating && pod.nodeLost)
}

/**
 * The verdict while no other pod has become ready. A trouble of the successor's own is told instead; that it finds no room
 * follows from the loss of the node.
 */
function withoutSuccessor(
  lost: PodDigest,
  { progressDeadlineMs }: DeploymentDigest,
  now: number,
): WorkloadVerdict {
  const failsAt = (lost.deletedAt ?? now) + progressDeadlineMs
  const failed = now >= failsAt
  return { ...underWay, failed, reason: 'NodeLost', podName: lost.name, dueAt: failed ? undefined : failsAt }
}

/** The controller-manager makes the ServiceAccount of a new namespace within a second, or a few where it is busy. */
const accountMs = 30_000

/**
 * Returns until when it is no failure that the namespace of a Deployment has no ServiceAccount yet: a new namespace has
 * none at first, and the ReplicaSet controller tries again by itself.
 */
function accountExpectedUntil(
  { replicaFailure, createdAt }: DeploymentDigest,
  now: number,
): number | undefined {
  const until = createdAt + accountMs
  const lacksAccount = /serviceaccount "[^"]*" not found/.test(replicaFailure ?? '')
  return lacksAccount && now < until ? until : undefined
}

/** ReplicaFailure carries the API server's refusal as text only. Room in a quota comes and goes; a rule stays. */
function refusal(words: string): Pick<WorkloadVerdict, 'ready' | 'failed' | 'reason' | 'message'> {
  const reason = refusalReason(words) ?? 'AdmissionRefused'
  const message =
    words === '' ? undefined : `The cluster refuses the pod of this challenge: ${refusalText(words)}.`
  return { ready: false, failed: reason !== 'QuotaExceeded', reason, message }
}
