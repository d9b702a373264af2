import type { ChallengeInstanceStatus, ConditionType } from '../../crd/challenge-instance.ts'
import type { Condition } from '../../crd/objects.ts'
import { readyReasons } from '../../observed/workload.ts'
import { isReason, withNextLook } from '../../reason-rules.ts'
import { reasons } from '../../reasons.ts'
import type { ExposureFact, Findings } from '../pass/findings.ts'
import type { Facts, Sync } from './status-facts.ts'

/** Reason of the condition `Exposed` while players reach the instance. */
const exposedReason = 'Served'

type NewCondition = Omit<Condition, 'lastTransitionTime'>

/** `Ready`, `Progressing` and `Stalled` of the facts, beside the other conditions of before. @param now RFC 3339 */
export function conditionsOf(findings: Findings, facts: Facts, now: string): Condition[] {
  const exposed = facts.exposure && exposedCondition(findings, facts.exposure)
  const before = findings.instance.status?.conditions ?? []
  const detection = idleDetection(findings)
  const kept = exposed ? before : before.filter(each => each.type !== 'Exposed')
  return merged(
    kept,
    [...currentConditions(findings, facts), ...(exposed ? [exposed] : []), ...detection],
    now,
  )
}

/** Whether it can be told that an instance is idle. It is said as soon as it matters, and then kept right. */
function idleDetection({ instance, use }: Findings): NewCondition[] {
  const { status, metadata } = instance
  const isSaid = status?.conditions?.some(each => each.type === 'IdleDetection') === true
  const { hasSource } = use ?? {}
  if (hasSource === undefined || (hasSource && !isSaid)) return []
  const reason = hasSource ? 'ActivitySeen' : 'NoActivitySource'
  const message = hasSource ? undefined : reasons.NoActivitySource.sentence
  const { generation = 0 } = metadata
  return [condition('IdleDetection', { holds: hasSource, reason, message, generation })]
}

/** A pass that did not examine the exposure says what was said before. */
function exposedCondition({ instance, exposure }: Findings, fact: ExposureFact): NewCondition {
  const { status, metadata } = instance
  const before = status?.conditions?.find(each => each.type === 'Exposed')
  const { generation = 0 } = metadata
  return condition('Exposed', {
    holds: fact.reason === undefined,
    reason: fact.reason ?? exposedReason,
    message: fact.message,
    generation: exposure ? generation : (before?.observedGeneration ?? generation),
  })
}

/** @param now RFC 3339 */
export function withSync(
  status: ChallengeInstanceStatus,
  generation: number,
  sync: Sync,
  now: string,
): ChallengeInstanceStatus {
  const { ok: holds, reason } = sync
  const message = reason && !holds ? withNextLook(reason, sync.message) : sync.message
  const synced = condition('Synced', { holds, reason: reason ?? 'Written', message, generation })
  return { ...status, conditions: merged(status.conditions ?? [], [synced], now) }
}

export function syncOf(status: ChallengeInstanceStatus | undefined): Condition | undefined {
  return status?.conditions?.find(each => each.type === 'Synced')
}

function currentConditions({ instance, terminating }: Findings, facts: Facts): NewCondition[] {
  const { obstacle, stall, workload } = facts
  const generation = instance.metadata.generation ?? 0
  const examined = workload?.generation ?? generation
  const ready = workload?.ready === true
  const failed = workload?.failed === true
  const progressing = !ready && !stall && !failed
  const reason = terminating
    ? 'Terminating'
    : (workload?.readyReason ?? obstacle?.reason ?? readyReasons.underWay)
  const message = terminating ? undefined : workload?.message
  return [
    condition('Ready', {
      holds: ready,
      reason,
      message: message ?? sentenceOf(reason),
      generation: examined,
    }),
    condition('Progressing', {
      holds: progressing,
      reason: progressing ? reason : 'Settled',
      generation: examined,
    }),
    condition('Stalled', {
      holds: stall !== undefined || failed,
      reason: stall?.reason ?? (failed ? reason : 'NotStalled'),
      message: stall?.message,
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
  }: { holds: boolean; reason: string; message?: string | undefined; generation: number },
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
