import type { ChallengeInstance } from '../crd/challenge-instance.ts'
import { epochMs } from '../crd/time.ts'
import { clockSkewMs } from '../lifetime.ts'

/**
 * Whether the deletion mark was set at the end of the instance or later. It then expired, no matter which client set the
 * mark. The mark has the time of the API server, whose clock may be behind the one that the end was judged by.
 */
export function expired({ metadata, status }: ChallengeInstance): boolean {
  const end = epochMs(status?.expiresAt)
  const markedAt = epochMs(metadata.deletionTimestamp)
  return end !== undefined && markedAt !== undefined && markedAt >= end - clockSkewMs
}
