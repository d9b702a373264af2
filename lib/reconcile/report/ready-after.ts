import type { ChallengeInstance, ChallengeInstanceStatus } from '../../crd/challenge-instance.ts'
import type { Stored } from '../../crd/objects.ts'
import { epochMs } from '../../crd/time.ts'

/**
 * Returns how long after its creation an instance is Ready for the first time, in milliseconds; undefined: it is not, or it
 * was before. An instance that was Ready before has a `Ready` condition that changed after the other conditions were first
 * written.
 * @param now epoch milliseconds
 */
export function readyAfterMs(
  { metadata, status: before }: Stored<ChallengeInstance>,
  after: ChallengeInstanceStatus,
  now: number,
): number | undefined {
  if (after.phase !== 'Ready' || before?.phase === 'Ready') return undefined
  const conditions = before?.conditions ?? []
  const ready = conditions.find(each => each.type === 'Ready')
  const firstAt = Math.min(...conditions.map(each => epochMs(each.lastTransitionTime) ?? Infinity))
  if (ready !== undefined && (epochMs(ready.lastTransitionTime) ?? 0) > firstAt) return undefined
  const createdAt = epochMs(metadata.creationTimestamp)
  return createdAt === undefined ? undefined : Math.max(0, now - createdAt)
}
