import type { ContainerStatus, Pod, Probe, Stored } from '../crd/objects.ts'
import { epochMs } from '../crd/time.ts'
import { shortened } from '../refusal.ts'

export interface Termination {
  reason: string
  exitCode: number
}

/**
 * The fields of a pod from which its trouble follows, and no others, because the forwarder keeps a digest of every pod.
 * Times are epoch milliseconds.
 */
export interface PodDigest {
  name: string
  createdAt: number
  terminating: boolean
  /** When the deletion of the pod was asked for. */
  deletedAt: number | undefined
  /** The node does not answer: the pod is not ready, while its containers are reported as ready. */
  nodeLost: boolean
  phase: string
  /** `status.reason`, such as `Evicted`. */
  statusReason: string | undefined
  ready: boolean
  /** Why the pod is on no node yet, in the words of the scheduler; undefined: it is on one, or nothing was tried yet. */
  unscheduled: string | undefined
  /** The next fields are those of the container in the worst trouble. */
  restarts: number
  waiting: string | undefined
  terminated: Termination | undefined
  lastTerminated: Termination | undefined
  runningSince: number | undefined
  /** The time by which the first running container that is not ready ought to be; undefined if there is none. */
  readyDueAt: number | undefined
}

/** Waiting reasons of a normal start. */
const startingUp = new Set(['ContainerCreating', 'PodInitializing'])

export function podDigest(pod: Stored<Pod>): PodDigest {
  const { metadata, status } = pod
  const container = worst(status?.containerStatuses ?? [])
  const condition = (type: string) => status?.conditions?.find(each => each.type === type)
  const waiting = container?.state?.waiting?.reason
  return {
    name: metadata.name,
    createdAt: Date.parse(metadata.creationTimestamp),
    terminating: metadata.deletionTimestamp !== undefined,
    deletedAt: deletedAt(metadata),
    nodeLost: isNodeLost(pod),
    phase: status?.phase ?? 'Pending',
    statusReason: status?.reason,
    // On a dead node the condition becomes False, and containerStatuses[].ready stays true.
    ready: condition('Ready')?.status === 'True',
    unscheduled: unscheduled(pod),
    restarts: container?.restartCount ?? 0,
    waiting: waiting === undefined || startingUp.has(waiting) ? undefined : waiting,
    terminated: termination(container?.state?.terminated),
    lastTerminated: termination(container?.lastState?.terminated),
    runningSince: runningSince(container),
    readyDueAt: readyDueAt(pod),
  }
}

/**
 * Returns why the pod is on no node. A scheduler whose binding went through, but whose answer was lost, leaves the
 * condition False on a pod that runs: the node counts. Only `Unschedulable` has words for an organiser; the text of
 * another reason, such as `SchedulerError`, is about the cluster and has its addresses.
 */
function unscheduled({ spec, status }: Stored<Pod>): string | undefined {
  const scheduled = status?.conditions?.find(each => each.type === 'PodScheduled')
  if (scheduled?.status !== 'False' || spec?.nodeName) return undefined
  return scheduled.reason === 'Unschedulable' ? schedulersWords(scheduled.message ?? '') : ''
}

/** Characters of the scheduler's words that a status shows. */
const wordsLimit = 300

/** Returns why no node fits. What preempting others would not help, and how, is of no use to an organiser. */
function schedulersWords(message: string): string {
  const why = message.replace(/(^|[ .,])(preemption:|no new claims to deallocate).*$/s, '')
  return shortened(why.replace(/[\s.,]+$/, ''), wordsLimit)
}

function deletedAt({ deletionTimestamp, deletionGracePeriodSeconds = 0 }: Stored<Pod>['metadata']) {
  return deletionTimestamp === undefined
    ? undefined
    : Date.parse(deletionTimestamp) - deletionGracePeriodSeconds * 1_000
}

/**
 * A kubelet writes the condition and the containers together. If it stops answering, the controller of the nodes sets the
 * condition after some 45 s, and leaves the containers as they were reported last. A readiness gate of another controller
 * says that it is one.
 */
export function isNodeLost({ status }: Pod): boolean {
  const containers = status?.containerStatuses ?? []
  const ready = status?.conditions?.find(each => each.type === 'Ready')
  return (
    status?.phase === 'Running' &&
    ready !== undefined &&
    ready.status !== 'True' &&
    ready.reason !== 'ReadinessGatesNotReady' &&
    containers.length > 0 &&
    containers.every(container => container.ready)
  )
}

/** The least time that a container may run unready, in milliseconds. The default probe answers within seconds. */
const leastGraceMs = 15_000

/** Kubernetes' defaults, as the API server writes them into a stored probe. */
const probeDefaults = { initialDelaySeconds: 0, periodSeconds: 10, failureThreshold: 3 }

function readyDueAt({ spec, status }: Pod): number | undefined {
  const due = (status?.containerStatuses ?? []).flatMap(container => {
    const startedAt = runningSince(container)
    if (container.ready || startedAt === undefined) return []
    const { readinessProbe, startupProbe } =
      spec?.containers?.find(each => each.name === container.name) ?? {}
    return startedAt + Math.max(leastGraceMs, answerMs(readinessProbe), answerMs(startupProbe))
  })
  return due.length === 0 ? undefined : Math.min(...due)
}

/** The milliseconds from the start of a container until its probe has had time to succeed. */
function answerMs(probe: Probe | undefined): number {
  if (probe === undefined) return 0
  const { initialDelaySeconds, periodSeconds, failureThreshold } = { ...probeDefaults, ...probe }
  return (initialDelaySeconds + periodSeconds * failureThreshold) * 1_000
}

function runningSince(container: ContainerStatus | undefined): number | undefined {
  return epochMs(container?.state?.running?.startedAt)
}

function termination(state: { reason?: string; exitCode: number } | undefined): Termination | undefined {
  return state && { reason: state.reason ?? '', exitCode: state.exitCode }
}

function worst(containers: ContainerStatus[]): ContainerStatus | undefined {
  return containers.toSorted((a, b) => severity(b) - severity(a))[0]
}

function severity(container: ContainerStatus): number {
  const { state, restartCount } = container
  const waiting = state?.waiting?.reason
  if (waiting !== undefined && !startingUp.has(waiting)) return 1_000_000 + restartCount
  if (state?.terminated) return 500_000 + restartCount
  return (container.ready ? 0 : 100_000) + restartCount
}
