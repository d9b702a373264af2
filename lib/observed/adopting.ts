import type { ChallengeInstanceStatus } from '../crd/challenge-instance.ts'

/**
 * Returns whether the children of an instance may still be those of the older operator.
 *
 * That operator wrote a phase, and neither conditions nor an observed generation. Our first status write adds
 * conditions, so it also sets `status.adopting`. The field stays until every child is recorded.
 */
export function isAdopting(status: ChallengeInstanceStatus | undefined): boolean {
  if (status?.adopting !== undefined) return status.adopting
  return (
    status?.phase !== undefined && status.observedGeneration === undefined && status.conditions === undefined
  )
}
