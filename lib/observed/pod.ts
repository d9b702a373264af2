import type { Pod } from '../crd/objects.ts'

/** What judging a pod needs of it, and nothing more: the forwarder holds one for every pod. Times in epoch ms. */
export interface PodDigest {
  name: string
  createdAt: number
  terminating: boolean
  phase: string
  /** `status.reason`, such as `Evicted`. */
  statusReason: string | undefined
  ready: boolean
  /** Reason of a `PodScheduled=False` condition. */
  unscheduled: string | undefined
  /** Of the container in the worst trouble. */
  restarts: number
  waiting: string | undefined
  terminated: { reason: string; exitCode: number } | undefined
  lastTerminated: { reason: string; exitCode: number } | undefined
  runningSince: number | undefined
}

export declare function podDigest(pod: Pod): PodDigest
