import type { ChallengeInstanceStatus } from '../../crd/challenge-instance.ts'
import { isWorkload } from '../../crd/child-kinds.ts'
import type { Condition } from '../../crd/objects.ts'
import { heldByExposure } from '../../observed/exposure.ts'
import { readyReason } from '../../observed/workload.ts'
import { isReason, withNextLook } from '../../reason-rules.ts'
import { type Reason, reasons } from '../../reasons.ts'
import type { ExposureFact, Findings, Obstacle } from '../pass/findings.ts'
import { exposureFact } from './exposure-fact.ts'
import type { Facts, WorkloadFact } from './status-facts.ts'

export function factsOf(findings: Findings): Facts {
  const { instance, obstacle: found, workload, terminating } = findings
  const { status } = instance
  const exposure = exposureFact(findings)
  const current = workloadFact(findings, exposure)
  const obstacle = worthSaying(found === 'not-examined' ? keptObstacle(status) : toldObstacle(found), current)
  if (terminating) return { obstacle, stall: stallOf(obstacle), workload: undefined, exposure }
  const examinedAll = found !== 'not-examined' && workload.kind !== 'not-observed'
  const stall = stallOf(obstacle) ?? (examinedAll ? undefined : keptStall(status))
  return { obstacle, stall, workload: current, exposure }
}

/** Nothing is wrong with an instance that waits for its turn. While it does not serve, its own trouble is said instead. */
function worthSaying(
  obstacle: Obstacle | undefined,
  workload: WorkloadFact | undefined,
): Obstacle | undefined {
  const waitsForTurn = obstacle !== undefined && reasons[obstacle.reason].recovery === 'turn'
  return waitsForTurn && !workload?.ready ? undefined : obstacle
}

/** The facts of a pass whose workload is not told yet, since it changes too often. */
export function withKeptWorkload(facts: Facts, status: ChallengeInstanceStatus | undefined): Facts {
  return { ...facts, workload: keptWorkload(status) }
}

/** A kept message has the sentence already. */
function toldObstacle(found: Obstacle | undefined): Obstacle | undefined {
  return found && { ...found, message: withNextLook(found.reason, found.message) }
}

function keptObstacle(status: ChallengeInstanceStatus | undefined): Obstacle | undefined {
  const { reason, message = '' } = status ?? {}
  const { reason: readyReason, message: readyMessage } = conditionOf(status, 'Ready') ?? {}
  const saidOfWorkload = hasWorkload(status) && readyReason === reason && readyMessage === message
  if (reason === undefined || !isReason(reason) || isOfWorkload(reason, saidOfWorkload)) return undefined
  return { reason, message, stalled: stalledCondition(status)?.reason === reason }
}

function keptStall(status: ChallengeInstanceStatus | undefined): Obstacle | undefined {
  const stalled = stalledCondition(status)
  if (stalled === undefined) return undefined
  const { reason, message } = stalled
  if (!isReason(reason) || isOfWorkload(reason, message === '')) return undefined
  return { reason, message, stalled: true }
}

/** @param saidOfWorkload whether the status says the same of the workload */
function isOfWorkload(reason: Reason, saidOfWorkload: boolean): boolean {
  const { examinedBy } = reasons[reason]
  return examinedBy === 'look' || (examinedBy === 'both' && saidOfWorkload)
}

function workloadFact(
  { instance, workload, observesGeneration }: Findings,
  exposure: ExposureFact | undefined,
): WorkloadFact | undefined {
  switch (workload.kind) {
    case 'none':
      return undefined
    case 'not-observed':
      return keptWorkload(instance.status)
    case 'observed': {
      const verdict = heldByExposure(workload.verdict, awaitedExposure(exposure))
      const { ready, failed, reason, podName } = verdict
      const message = reason ? withNextLook(reason, verdict.message ?? reasons[reason].sentence) : ''
      const { generation: current = 0 } = instance.metadata
      const generation = observesGeneration ? current : (instance.status?.observedGeneration ?? current)
      return { ready, failed, reason, readyReason: readyReason(verdict), message, podName, generation }
    }
  }
}

/** Why the first Ready waits; undefined: it does not. */
function awaitedExposure(fact: ExposureFact | undefined): { reason: Reason; message: string } | undefined {
  if (fact?.reason === undefined || !fact.recorded.awaited) return undefined
  return { reason: fact.reason, message: `The pod serves, and waits for its exposure. ${fact.message}` }
}

function keptWorkload(status: ChallengeInstanceStatus | undefined): WorkloadFact | undefined {
  const condition = conditionOf(status, 'Ready')
  if (condition === undefined || !hasWorkload(status)) return undefined
  const reason = isReason(condition.reason) ? condition.reason : undefined
  // Without a workload the condition has the reason of the obstacle.
  if (reason !== undefined && !isOfWorkload(reason, true)) return undefined
  return {
    ready: condition.status === 'True',
    failed: status?.phase === 'Failed',
    reason,
    readyReason: condition.reason,
    message: condition.message,
    podName: status?.podName,
    generation: condition.observedGeneration ?? 0,
  }
}

function hasWorkload(status: ChallengeInstanceStatus | undefined): boolean {
  return status?.children?.some(isWorkload) === true
}

function stallOf(obstacle: Obstacle | undefined): Obstacle | undefined {
  return obstacle?.stalled ? obstacle : undefined
}

/** The condition `Stalled` while it holds. */
function stalledCondition(status: ChallengeInstanceStatus | undefined): Condition | undefined {
  const condition = conditionOf(status, 'Stalled')
  return condition?.status === 'True' ? condition : undefined
}

function conditionOf(status: ChallengeInstanceStatus | undefined, type: string) {
  return status?.conditions?.find(each => each.type === type)
}
