import type { ChallengeInstanceStatus, Phase } from '../crd/challenge-instance.ts'
import { annotations } from '../crd/group.ts'
import { childKey } from '../crd/reference.ts'
import { isAdopting } from '../observed/adopting.ts'
import type { WorkloadVerdict } from '../observed/workload.ts'
import { type Reason, reasons } from '../reasons.ts'
import { conditionsOf } from './conditions.ts'
import type { Findings } from './findings.ts'

const servingSentence = 'The challenge is running.'
const underWaySentence = 'The challenge is starting.'

/** The status without `Synced`, which is known only after the database has answered. @param now RFC 3339 */
export function statusOf(findings: Findings, now: string): ChallengeInstanceStatus {
  const { instance } = findings
  const before = instance.status ?? {}
  const { expiresAt, ...placed } = findings.granted ?? { expiresAt: before.expiresAt }
  const verdict = verdictOf(findings)
  const phase = phaseOf(findings)
  const reason = reasonOf(findings)
  const status: ChallengeInstanceStatus = {
    ...before,
    ...placed,
    phase,
    message: messageOf(findings, phase, reason),
    children: findings.children,
    conditions: conditionsOf(findings, now),
  }
  assign(status, 'reason', reason)
  assign(status, 'expiresAt', expiresAt)
  assign(status, 'podName', verdict ? verdict.podName : before.podName)
  assign(status, 'template', findings.template ?? before.template)
  assign(status, 'adopting', stillAdopting(findings) ? true : undefined)
  assign(status, 'handledSync', instance.metadata.annotations?.[annotations.forceSync])
  assign(
    status,
    'observedGeneration',
    findings.observesGeneration ? (instance.metadata.generation ?? 0) : before.observedGeneration,
  )
  return status
}

/**
 * Whether children of the older operator may still have to be taken over. A recorded child that is lost ends it, since
 * the object under its name is somebody else's.
 */
function stillAdopting({ instance, children, complete = false }: Findings): boolean {
  if (!isAdopting(instance.status) || complete) return false
  const keys = new Set(children.map(childKey))
  return (instance.status?.children ?? []).every(child => keys.has(childKey(child)))
}

function verdictOf({ workload }: Findings): WorkloadVerdict | undefined {
  return workload.kind === 'observed' ? workload.verdict : undefined
}

function phaseOf(findings: Findings): Phase {
  const { instance, workload, obstacle, terminating, children } = findings
  const verdict = verdictOf(findings)
  if (terminating) return 'Terminating'
  if (workload.kind === 'not-observed' && instance.status?.phase) return instance.status.phase
  if (verdict?.ready) return 'Ready'
  if (verdict?.reason === 'Suspended') return 'Idle'
  if (verdict?.failed) return 'Failed'
  if (verdict && children.length > 0) return 'Provisioning'
  if (obstacle) return obstacle.stalled ? reasons[obstacle.reason].whileStalled : 'Pending'
  return children.length > 0 ? 'Provisioning' : 'Pending'
}

function reasonOf(findings: Findings): Reason | undefined {
  const { obstacle, terminating } = findings
  if (terminating) return obstacle?.reason ?? 'Terminating'
  return obstacle?.reason ?? verdictOf(findings)?.reason
}

function messageOf({ obstacle }: Findings, phase: Phase, reason: Reason | undefined): string {
  if (obstacle) return obstacle.message
  if (reason) return reasons[reason].sentence
  return phase === 'Ready' ? servingSentence : underWaySentence
}

function assign<K extends keyof ChallengeInstanceStatus>(
  status: ChallengeInstanceStatus,
  field: K,
  value: ChallengeInstanceStatus[K] | undefined,
): void {
  if (value === undefined) delete status[field]
  else status[field] = value
}
