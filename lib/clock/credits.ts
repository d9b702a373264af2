import type { ChallengeInstance } from '../crd/challenge-instance.ts'
import { epochMs } from '../crd/time.ts'
import type { Credit } from './state.ts'

/** The part of an instance by which credits choose. */
export interface CreditScope {
  /** Epoch milliseconds; undefined: the API server has not stored the instance yet. */
  createdAt: number | undefined
  event: number
  team: number
  template: string
}

const minuteMs = 60_000

export function creditScope({ metadata, spec }: ChallengeInstance): CreditScope {
  const { eventId: event, teamId: team } = spec.owner
  return { createdAt: epochMs(metadata.creationTimestamp), event, team, template: spec.templateRef }
}

/**
 * Returns the sum of the credits that count for an instance, in minutes: those that choose it and that were given when it
 * existed. It depends on neither the order of the credits nor the present time, so no restart and no race counts one twice.
 */
export function creditMinutes(scope: CreditScope, credits: readonly Credit[]): number {
  let sum = 0
  for (const credit of credits) if (counts(credit, scope)) sum += credit.minutes
  return sum
}

/** The same in milliseconds. */
export function creditMs(instance: ChallengeInstance, credits: readonly Credit[]): number {
  return credits.length === 0 ? 0 : creditMinutes(creditScope(instance), credits) * minuteMs
}

function counts(credit: Credit, { createdAt, event, team, template }: CreditScope): boolean {
  return (
    createdAt !== undefined &&
    createdAt <= credit.at &&
    (credit.event === undefined || credit.event === event) &&
    (credit.team === undefined || credit.team === team) &&
    (credit.template === undefined || credit.template === template)
  )
}
