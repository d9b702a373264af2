import type { ChallengeInstanceStatus, Phase } from '../../crd/challenge-instance.ts'
import { rfc3339 } from '../../lifetime.ts'
import { countPhaseChange, isHeld, type PhaseChanges, phaseChangesOf } from '../../observed/flapping.ts'
import type { Findings } from '../pass/findings.ts'

/** How a status reports a phase that may flap. */
export interface PhaseReport {
  /** The workload stays as it was reported, and with it the phase. */
  held: boolean
  /** The phase has changed too often, and its next change is not told at once. */
  flapping: boolean
  phaseChanges: ChallengeInstanceStatus['phaseChanges']
}

/**
 * Decides whether the phase of these findings is told now. A change that a person asked for (an edit, another template, a
 * deletion), or a hibernation or a wake, is no flapping and ends a burst.
 * @param phase as it follows from the findings @param now epoch milliseconds
 */
export function phaseReport(findings: Findings, phase: Phase, now: number): PhaseReport {
  const { status } = findings.instance
  const before = phaseChangesOf(status)
  if (status?.phase === undefined || isAskedFor(findings)) return told(undefined)
  if (phase === status.phase) {
    const flapping = isHeld(before, now)
    return { held: flapping, flapping, phaseChanges: status.phaseChanges }
  }
  const opens = status.phase === 'Ready' || status.phase === 'Failed'
  const { changes, held } = countPhaseChange(before, { now, opens })
  return { held, flapping: isHeld(changes, now), phaseChanges: recorded(changes) }
}

function told(changes: PhaseChanges | undefined): PhaseReport {
  return { held: false, flapping: false, phaseChanges: recorded(changes) }
}

function isAskedFor({ instance, template, use, terminating }: Findings): boolean {
  const { status, metadata } = instance
  const hibernates = use !== undefined && use.hibernation?.reason !== status?.hibernation?.reason
  const templateBefore = status?.template?.hash
  return (
    terminating ||
    hibernates ||
    status?.observedGeneration !== metadata.generation ||
    (template !== undefined && template.hash !== templateBefore)
  )
}

function recorded(changes: PhaseChanges | undefined): ChallengeInstanceStatus['phaseChanges'] {
  return changes && { count: changes.count, since: rfc3339(changes.since) }
}
