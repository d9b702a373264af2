import type { Reason } from '../reasons.ts'
import type { PodDigest, Termination } from './pod.ts'

export interface Trouble {
  reason: Reason | undefined
  /** What the cluster says about the reason; undefined: no more than the reason does. */
  message?: string | undefined
  /** The pod makes no progress without a change. */
  failed: boolean
  /** The time at which the verdict on the same digest changes, in epoch milliseconds. */
  dueAt: number | undefined
}

/**
 * A container counts as cured when it has run this long since its last restart. A crashing container without a readiness
 * probe is Ready for 0.2–0.7 s per restart (measured on a kubelet), and its waiting reason shows only for moments. The
 * time is longer than such a run, and shorter than the kubelet's first back-off of 10 s.
 */
const steadyMs = 8_000

/** From the second restart on, a crash counts as a loop. */
const crashLoopRestarts = 2

const imagePull = new Set(['ErrImagePull', 'ImagePullBackOff', 'ErrImageNeverPull', 'RegistryUnavailable'])
const imageInvalid = new Set(['InvalidImageName', 'ImageInspectError'])
const configInvalid = new Set([
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
  'PreCreateHookError',
  'PreStartHookError',
  'PostStartHookError',
])

/** Returns the trouble of a pod; undefined if there is none. The history of its containers counts as well as their state. */
export function podTrouble(pod: PodDigest, now: number): Trouble | undefined {
  return (
    unscheduled(pod) ??
    ended(pod) ??
    nodeLost(pod) ??
    startRefused(pod) ??
    crashed(pod, now) ??
    unreadyTooLong(pod, now)
  )
}

function unscheduled(pod: PodDigest): Trouble | undefined {
  if (pod.unscheduled === undefined) return undefined
  const words = pod.unscheduled === '' ? undefined : `No node takes this challenge yet: ${pod.unscheduled}.`
  return { ...waiting('Unschedulable'), message: words }
}

/** An ended pod is not failed, because the Deployment replaces it. */
function ended(pod: PodDigest): Trouble | undefined {
  if (pod.phase !== 'Failed' && pod.phase !== 'Succeeded') return undefined
  return waiting(pod.statusReason === 'Evicted' ? 'Evicted' : 'CrashLooping')
}

/** Kubernetes gives the pod up after some minutes, and the Deployment replaces it then. */
function nodeLost(pod: PodDigest): Trouble | undefined {
  return pod.nodeLost ? waiting('NodeLost') : undefined
}

function startRefused(pod: PodDigest): Trouble | undefined {
  if (pod.waiting !== undefined) {
    if (imagePull.has(pod.waiting)) return failed('ImagePullFailed')
    if (imageInvalid.has(pod.waiting)) return failed('ImageInvalid')
    if (configInvalid.has(pod.waiting)) return failed('ConfigInvalid')
  }
  const last = pod.terminated ?? pod.lastTerminated
  const neverRan = last?.reason === 'StartError' || last?.reason === 'ContainerCannotRun'
  return neverRan && pod.runningSince === undefined ? failed('ConfigInvalid') : undefined
}

function crashed(pod: PodDigest, now: number): Trouble | undefined {
  const last: Termination | undefined = pod.terminated ?? pod.lastTerminated
  if (last === undefined && pod.waiting !== 'CrashLoopBackOff') return undefined
  const steadyAt = pod.runningSince === undefined ? undefined : pod.runningSince + steadyMs
  if (steadyAt !== undefined && now >= steadyAt) return undefined
  const reason = last?.reason === 'OOMKilled' ? 'OutOfMemory' : 'CrashLooping'
  // The count alone decides. The back-off shows only for moments, and `Failed` must not come and go with it.
  return { reason, failed: pod.restarts >= crashLoopRestarts, dueAt: steadyAt }
}

function unreadyTooLong(pod: PodDigest, now: number): Trouble | undefined {
  const dueAt = pod.readyDueAt
  if (pod.ready || dueAt === undefined) return undefined
  return now < dueAt ? { reason: undefined, failed: false, dueAt } : waiting('ProbeFailing')
}

function waiting(reason: Reason): Trouble {
  return { reason, failed: false, dueAt: undefined }
}

function failed(reason: Reason): Trouble {
  return { reason, failed: true, dueAt: undefined }
}
