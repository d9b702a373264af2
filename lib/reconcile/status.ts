import type {
  ChallengeInstance,
  ChallengeInstanceStatus,
  Child,
  ConditionType,
  Endpoint,
  Phase,
} from '../crd/challenge-instance.ts'
import { annotations } from '../crd/group.ts'
import type { Condition } from '../crd/objects.ts'
import { readyReason, type WorkloadVerdict } from '../observed/workload.ts'
import { isReason, type Reason, reasons } from '../reasons.ts'

/** Why a pass does not go on: only a change helps (`stalled`), or it comes back by itself. */
export interface Obstacle {
  reason: Reason
  message: string
  stalled: boolean
}

export interface Sync {
  ok: boolean
  reason: Reason | undefined
  message: string
}

/** What a pass found and did, from which the status follows. Absent parts stay as they were reported. */
export interface Report {
  instance: ChallengeInstance
  /** Absent: there is no workload yet, or it was written just now. 'unseen': this pass could not look at it. */
  verdict: WorkloadVerdict | 'unseen' | undefined
  obstacle: Obstacle | undefined
  children: Child[]
  granted?: {
    namespace: string
    url: string
    endpoints: Endpoint[]
    cpuMillicores: number
    memMb: number
  }
  template?: { uid: string; generation: number; hash: string }
  expiresAt?: string | undefined
  /** False on a pass that comes back because it failed: the generation is not dealt with yet. */
  observed: boolean
  terminating: boolean
}

const servingSentence = 'The challenge is running.'
const underWaySentence = 'The challenge is starting.'

/** The status but for `Synced`, which is known only once the database has answered. @param now RFC 3339 */
export function statusOf(report: Report, now: string): ChallengeInstanceStatus {
  const before = report.instance.status ?? {}
  const { granted } = report
  const verdict = seenOf(report)
  const phase = phaseOf(report)
  const reason = reasonOf(report)
  const generation = report.instance.metadata.generation ?? 0
  const status: ChallengeInstanceStatus = {
    ...before,
    ...(granted ?? {}),
    phase,
    message: messageOf(report, phase, reason),
    children: report.children,
    conditions: conditionsOf(report, before.conditions ?? [], now),
  }
  assign(status, 'reason', reason)
  assign(status, 'podName', verdict ? verdict.podName : before.podName)
  assign(status, 'template', report.template ?? before.template)
  if ('expiresAt' in report) assign(status, 'expiresAt', report.expiresAt)
  assign(status, 'handledSync', report.instance.metadata.annotations?.[annotations.forceSync])
  assign(status, 'observedGeneration', report.observed ? generation : before.observedGeneration)
  return status
}

/** @param now RFC 3339 */
export function withSync(
  status: ChallengeInstanceStatus,
  generation: number,
  sync: Sync,
  now: string,
): ChallengeInstanceStatus {
  const conditions = status.conditions ?? []
  const synced = condition('Synced', sync.ok, sync.reason ?? 'Written', sync.message, generation)
  return { ...status, conditions: merged(conditions, [synced], now) }
}

export function syncOf(status: ChallengeInstanceStatus | undefined): Condition | undefined {
  return status?.conditions?.find(each => each.type === 'Synced')
}

function seenOf({ verdict }: Report): WorkloadVerdict | undefined {
  return verdict === 'unseen' ? undefined : verdict
}

function phaseOf(report: Report): Phase {
  const { obstacle, terminating, children } = report
  const verdict = seenOf(report)
  if (terminating) return 'Terminating'
  if (report.verdict === 'unseen' && report.instance.status?.phase) return report.instance.status.phase
  if (verdict?.ready) return 'Ready'
  if (verdict?.reason === 'Suspended' || verdict?.reason === 'Idle') return 'Idle'
  if (verdict?.failed) return 'Failed'
  if (verdict && children.length > 0) return 'Provisioning'
  if (obstacle) return obstacle.stalled ? reasons[obstacle.reason].whileStalled : 'Pending'
  return children.length > 0 ? 'Provisioning' : 'Pending'
}

function reasonOf(report: Report): Reason | undefined {
  const { obstacle, terminating } = report
  if (terminating) return obstacle?.reason ?? 'Terminating'
  return obstacle?.reason ?? seenOf(report)?.reason
}

function messageOf(report: Report, phase: Phase, reason: Reason | undefined): string {
  if (report.obstacle) return report.obstacle.message
  if (reason) return reasons[reason].sentence
  return phase === 'Ready' ? servingSentence : underWaySentence
}

function conditionsOf(report: Report, before: Condition[], now: string): Condition[] {
  const { obstacle, terminating } = report
  const verdict = seenOf(report)
  const generation = report.instance.metadata.generation ?? 0
  const ready = !terminating && verdict?.ready === true
  const stalled = obstacle?.stalled === true
  const failed = verdict?.failed === true
  const progressing = !ready && !stalled && !failed
  const why = terminating
    ? 'Terminating'
    : verdict
      ? readyReason(verdict)
      : (obstacle?.reason ?? 'Progressing')
  const text = (reason: string) => (isReason(reason) ? reasons[reason].sentence : '')
  const current = [
    condition('Ready', ready, why, text(why), generation),
    condition('Progressing', progressing, progressing ? why : 'Settled', '', generation),
    condition(
      'Stalled',
      stalled || failed,
      stalled ? obstacle.reason : failed ? why : 'NotStalled',
      stalled ? obstacle.message : '',
      generation,
    ),
  ]
  const kept = (type: string) => before.some(each => each.type === type) && type !== 'Stalled'
  const unseen = report.verdict === 'unseen' && !terminating
  return merged(before, unseen ? current.filter(({ type }) => !kept(type)) : current, now)
}

function condition(
  type: ConditionType,
  holds: boolean,
  reason: string,
  message: string,
  observedGeneration: number,
): Omit<Condition, 'lastTransitionTime'> {
  return { type, status: holds ? 'True' : 'False', reason, message, observedGeneration }
}

/** `lastTransitionTime` moves only with the status. */
function merged(
  before: Condition[],
  after: Omit<Condition, 'lastTransitionTime'>[],
  now: string,
): Condition[] {
  const kept = before.filter(each => !after.some(next => next.type === each.type))
  const next = after.map(each => {
    const previous = before.find(candidate => candidate.type === each.type)
    const same = previous?.status === each.status
    return { ...each, lastTransitionTime: same ? previous.lastTransitionTime : now }
  })
  return [...next, ...kept].toSorted((a, b) => (a.type < b.type ? -1 : 1))
}

function assign<K extends keyof ChallengeInstanceStatus>(
  status: ChallengeInstanceStatus,
  field: K,
  value: ChallengeInstanceStatus[K] | undefined,
): void {
  if (value === undefined) delete status[field]
  else status[field] = value
}
