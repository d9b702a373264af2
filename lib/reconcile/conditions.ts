import type { ChallengeInstanceStatus, ConditionType } from '../crd/challenge-instance.ts'
import type { Condition } from '../crd/objects.ts'
import { readyReason, readyReasons } from '../observed/workload.ts'
import { isReason, type Reason, reasons } from '../reasons.ts'
import type { Findings } from './findings.ts'

/** Whether the database has the row, for the `Synced` condition. */
export interface Sync {
  ok: boolean
  reason: Reason | undefined
  message: string
}

type NewCondition = Omit<Condition, 'lastTransitionTime'>

/** `Ready`, `Progressing` and `Stalled` of the findings, beside the other conditions of before. @param now RFC 3339 */
export function conditionsOf(findings: Findings, now: string): Condition[] {
  const { instance, workload, terminating } = findings
  const before = instance.status?.conditions ?? []
  const current = currentConditions(findings)
  if (workload.kind !== 'not-observed' || terminating) return merged(before, current, now)
  const reported = (type: string) => before.some(each => each.type === type)
  const news = current.filter(({ type }) => type === 'Stalled' || !reported(type))
  return merged(before, news, now)
}

/** @param now RFC 3339 */
export function withSync(
  status: ChallengeInstanceStatus,
  generation: number,
  sync: Sync,
  now: string,
): ChallengeInstanceStatus {
  const { ok: holds, reason = 'Written', message } = sync
  const synced = condition('Synced', { holds, reason, message, generation })
  return { ...status, conditions: merged(status.conditions ?? [], [synced], now) }
}

export function syncOf(status: ChallengeInstanceStatus | undefined): Condition | undefined {
  return status?.conditions?.find(each => each.type === 'Synced')
}

function currentConditions({ instance, workload, obstacle, terminating }: Findings): NewCondition[] {
  const verdict = workload.kind === 'observed' ? workload.verdict : undefined
  const generation = instance.metadata.generation ?? 0
  const ready = !terminating && verdict?.ready === true
  const stalled = obstacle?.stalled === true
  const failed = verdict?.failed === true
  const progressing = !ready && !stalled && !failed
  const reason = terminating
    ? 'Terminating'
    : verdict
      ? readyReason(verdict)
      : (obstacle?.reason ?? readyReasons.underWay)
  return [
    condition('Ready', { holds: ready, reason, message: sentenceOf(reason), generation }),
    condition('Progressing', { holds: progressing, reason: progressing ? reason : 'Settled', generation }),
    condition('Stalled', {
      holds: stalled || failed,
      reason: stalled ? obstacle.reason : failed ? reason : 'NotStalled',
      message: stalled ? obstacle.message : '',
      generation,
    }),
  ]
}

function sentenceOf(reason: string): string {
  return isReason(reason) ? reasons[reason].sentence : ''
}

function condition(
  type: ConditionType,
  {
    holds,
    reason,
    message = '',
    generation,
  }: { holds: boolean; reason: string; message?: string; generation: number },
): NewCondition {
  return { type, status: holds ? 'True' : 'False', reason, message, observedGeneration: generation }
}

/** `lastTransitionTime` changes only with the condition's status. */
function merged(before: Condition[], after: NewCondition[], now: string): Condition[] {
  const kept = before.filter(each => !after.some(next => next.type === each.type))
  const next = after.map(each => {
    const previous = before.find(candidate => candidate.type === each.type)
    const same = previous?.status === each.status
    return { ...each, lastTransitionTime: same ? previous.lastTransitionTime : now }
  })
  return [...next, ...kept].toSorted((a, b) => (a.type < b.type ? -1 : 1))
}
