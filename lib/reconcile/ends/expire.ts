import { creditMinutes, creditScope } from '../../clock/credits.ts'
import type { Credit } from '../../clock/state.ts'
import type { ChallengeInstance, ChallengeInstanceStatus } from '../../crd/challenge-instance.ts'
import type { Stored } from '../../crd/objects.ts'
import { referenceTo } from '../../crd/reference.ts'
import { epochMs } from '../../crd/time.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import { rfc3339 } from '../../lifetime.ts'

/** An end that has come. `at`: epoch milliseconds. `credits`: all that the end was computed with. */
export interface End {
  at: number
  credits: readonly Credit[]
}

/**
 * Deletes an instance whose time is over, in the version that was read.
 *
 * By its status and the time of the deletion everybody knows that it expired and was not deleted by a person. So an end that
 * the status does not have yet is written first: a credit that takes minutes away, an earlier `spec.expiresAt` or
 * `availableUntil` may end an instance at once. An end that was reported costs no write.
 * @returns 'overtaken' if it was changed after it was read
 */
export async function expire(
  cluster: Pick<Cluster, 'delete' | 'putStatus'>,
  instance: Stored<ChallengeInstance>,
  end: End,
  signal: AbortSignal,
): Promise<'ended' | 'overtaken'> {
  const told = await withEnd(cluster, instance, end, signal)
  if (told === undefined) return 'ended'
  if (told === 'conflict') return 'overtaken'
  const { uid, resourceVersion } = told.metadata
  const result = await cluster.delete(referenceTo(told), { uid, resourceVersion }, signal)
  return result === 'conflict' ? 'overtaken' : 'ended'
}

/** @returns undefined if the instance is gone */
async function withEnd(
  cluster: Pick<Cluster, 'putStatus'>,
  instance: Stored<ChallengeInstance>,
  { at, credits }: End,
  signal: AbortSignal,
): Promise<Stored<ChallengeInstance> | 'conflict' | undefined> {
  const { creditMinutes: _, ...before } = instance.status ?? {}
  if (epochMs(before.expiresAt) === at) return instance
  const minutes = creditMinutes(creditScope(instance), credits)
  const status: ChallengeInstanceStatus = { ...before, expiresAt: rfc3339(at) }
  if (minutes !== 0) status.creditMinutes = minutes
  return cluster.putStatus({ ...instance, status }, signal)
}
