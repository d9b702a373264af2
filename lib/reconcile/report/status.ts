import type { ChallengeInstanceStatus, Phase } from '../../crd/challenge-instance.ts'
import { annotations } from '../../crd/group.ts'
import { childKey } from '../../crd/reference.ts'
import { parseTime, rfc3339 } from '../../lifetime.ts'
import { isAdopting } from '../../observed/adopting.ts'
import { type Reason, reasons } from '../../reasons.ts'
import type { Findings } from '../pass/findings.ts'
import { conditionsOf } from './conditions.ts'
import { factsOf, withKeptWorkload } from './facts.ts'
import { phaseReport } from './phase-changes.ts'
import type { Facts } from './status-facts.ts'

const servingSentence = 'The challenge is running.'
const underWaySentence = 'The challenge is starting.'
const earlierEndSentence = 'It ends earlier than was asked for, since its template allows no later end.'

/** The status without `Synced`, which is known only after the database has answered. @param now RFC 3339 */
export function statusOf(findings: Findings, now: string): ChallengeInstanceStatus {
  const { instance } = findings
  const before = instance.status ?? {}
  const { granted, end, use, opening } = findings
  const fresh = factsOf(findings)
  const { held, flapping, phaseChanges } = phaseReport(findings, phaseOf(findings, fresh), Date.parse(now))
  const facts = held ? withKeptWorkload(fresh, instance.status) : fresh
  const phase = held && instance.status?.phase ? instance.status.phase : phaseOf(findings, facts)
  const reason = reasonOf(findings, facts, flapping)
  const status: ChallengeInstanceStatus = {
    ...before,
    ...granted,
    phase,
    message: messageOf(facts, { phase, reason, endsEarlier: endsEarlier(findings) }),
    children: findings.children,
    conditions: conditionsOf(findings, facts, now),
  }
  assign(status, 'reason', reason)
  assign(status, 'exposure', facts.exposure?.recorded)
  if (end) {
    const at = end.at === undefined ? undefined : rfc3339(end.at)
    assign(status, 'expiresAt', at)
    assign(
      status,
      'creditMinutes',
      at === undefined || end.creditMinutes === 0 ? undefined : end.creditMinutes,
    )
    assign(status, 'warnedOf', end.isNear || before.warnedOf === at ? at : undefined)
  }
  if (use) {
    assign(status, 'hibernation', use.hibernation)
    if (use.beganAt !== undefined) assign(status, 'lastActivityAt', rfc3339(use.beganAt))
  }
  if (opening) assign(status, 'availableFrom', opening.at === undefined ? undefined : rfc3339(opening.at))
  assign(status, 'podName', facts.workload ? facts.workload.podName : before.podName)
  assign(status, 'template', findings.template ?? before.template)
  assign(status, 'phaseChanges', phaseChanges)
  assign(status, 'configuration', findings.configuration ?? before.configuration)
  assign(status, 'adopting', stillAdopting(findings) ? true : undefined)
  const wanted = instance.metadata.annotations?.[annotations.forceSync]
  assign(status, 'handledSync', findings.handlesSync || wanted === undefined ? wanted : before.handledSync)
  assign(
    status,
    'observedGeneration',
    findings.observesGeneration ? (instance.metadata.generation ?? 0) : before.observedGeneration,
  )
  return status
}

/**
 * Whether children of the older operator may still have to be taken over. A recorded child that is lost ends it, since
 * the object under its name has another owner.
 */
function stillAdopting({ instance, children, complete = false }: Findings): boolean {
  if (!isAdopting(instance.status) || complete) return false
  const keys = new Set(children.map(childKey))
  return (instance.status?.children ?? []).every(child => keys.has(childKey(child)))
}

function phaseOf(findings: Findings, facts: Facts): Phase {
  const { instance, children, terminating, workload: found, complete = false } = findings
  const { obstacle, stall, workload } = facts
  const { phase, conditions } = instance.status ?? {}
  if (terminating) return 'Terminating'
  // The older operator reported a phase, and nothing that says why.
  if (found.kind === 'not-observed' && phase && conditions === undefined) return phase
  if (workload?.ready) return 'Ready'
  if (workload?.reason === 'Suspended' || workload?.reason === 'Idle') return 'Idle'
  if (workload?.failed) return 'Failed'
  if (workload && children.length > 0) return 'Provisioning'
  if (stall) return reasons[stall.reason].whileStalled
  if (obstacle && !complete) return 'Pending'
  return children.length > 0 ? 'Provisioning' : 'Pending'
}

function reasonOf(
  { terminating }: Findings,
  { obstacle, workload, exposure }: Facts,
  flapping: boolean,
): Reason | undefined {
  if (terminating) return obstacle?.reason ?? 'Terminating'
  return (
    obstacle?.reason ??
    (flapping ? 'Flapping' : (workload?.reason ?? lostExposure(workload, exposure)?.reason))
  )
}

function messageOf(
  { obstacle, workload, exposure }: Facts,
  { phase, reason, endsEarlier }: { phase: Phase; reason: Reason | undefined; endsEarlier: boolean },
): string {
  if (obstacle) return obstacle.message
  if (reason === 'Flapping') return reasons.Flapping.sentence
  const lost = lostExposure(workload, exposure)
  if (reason && lost && reason === lost.reason) return lost.message
  if (reason) return workload?.message || reasons[reason].sentence
  const sentence = phase === 'Ready' ? servingSentence : underWaySentence
  return endsEarlier ? `${sentence} ${earlierEndSentence}` : sentence
}

/**
 * Whether a renewal asks for more than the template allows. Minutes that a credit takes away are not the template's doing. A
 * pass that does not know the end says what was said.
 */
function endsEarlier({ instance, end }: Findings): boolean {
  const { spec, status } = instance
  const at = end ? end.at : parseTime(status?.expiresAt)
  const { creditMinutes = 0 } = end ?? status ?? {}
  const asked = parseTime(spec.expiresAt)
  return at !== undefined && asked !== undefined && at < asked + Math.min(0, creditMinutes) * minuteMs
}

const minuteMs = 60_000

/** The pod serves, and players do not reach it. The phase stays, since the challenge itself is well. */
function lostExposure(
  workload: Facts['workload'],
  exposure: Facts['exposure'],
): { reason: Reason; message: string } | undefined {
  if (!workload?.ready || exposure?.reason === undefined) return undefined
  return { reason: exposure.reason, message: `The challenge is running. ${exposure.message}` }
}

function assign<K extends keyof ChallengeInstanceStatus>(
  status: ChallengeInstanceStatus,
  field: K,
  value: ChallengeInstanceStatus[K] | undefined,
): void {
  if (value === undefined) delete status[field]
  else status[field] = value
}
