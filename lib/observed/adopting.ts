import type { ChallengeInstanceStatus } from '../crd/challenge-instance.ts'

/**
 * Whether the children of the instance may still be those of the older operator.
 *
 * That operator wrote a phase, and neither conditions nor an observed generation. The first status write of ours adds
 * conditions, so it also sets `status.adopting`. The field stays until every child is recorded.
 */
export function isAdopting(status: ChallengeInstanceStatus | undefined): boolean {
  if (status?.adopting !== undefined) return status.adopting
  return (
    status?.phase !== undefined && status.observedGeneration === undefined && status.conditions === undefined
  )
}
