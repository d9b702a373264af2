import type { Reason } from '../reasons.ts'
import type { PodDigest, Termination } from './pod.ts'

export interface Trouble {
  reason: Reason | undefined
  /** Will not progress by itself. */
  failed: boolean
  /** When the same digest would be judged otherwise, in epoch milliseconds. */
  dueAt: number | undefined
}

/**
 * A container that crashed is Ready for 0.2–0.7 s per restart (measured on a kubelet without a readiness probe), and
 * a crash loop shows its waiting reason for moments only. So after a restart a container must have run this long
 * before it counts as cured: longer than the crashes that flap, shorter than the kubelet's first back-off of 10 s.
 */
const steadyMs = 8_000

/** From the second restart on a crash is a loop, not a hiccup. */
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

/** What is wrong with a pod, judged by its history as much as by this one look. */
export function podTrouble(pod: PodDigest, now: number): Trouble | undefined {
  return unscheduled(pod) ?? ended(pod) ?? startRefused(pod) ?? crashed(pod, now) ?? unreadyTooLong(pod, now)
}

function unscheduled(pod: PodDigest): Trouble | undefined {
  return pod.unscheduled === undefined ? undefined : waiting('Unschedulable')
}

/** The Deployment replaces an ended pod by itself. */
function ended(pod: PodDigest): Trouble | undefined {
  if (pod.phase !== 'Failed' && pod.phase !== 'Succeeded') return undefined
  return waiting(pod.statusReason === 'Evicted' ? 'Evicted' : 'CrashLooping')
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
  // By the count alone: the back-off shows for moments, and `Failed` must not come and go with it.
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
