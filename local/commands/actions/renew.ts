import type { ChallengeInstance } from '../../../lib/crd/challenge-instance.ts'
import type { Stored } from '../../../lib/crd/objects.ts'
import { parseTime, rfc3339 } from '../../../lib/lifetime.ts'
import { type Action, isBeingDeleted, tooLate } from './action.ts'

export interface Renewal {
  /** Epoch milliseconds of the API server. */
  now: number
  /** Minutes from now. */
  minutes: number | undefined
  /** Epoch milliseconds. */
  until: number | undefined
  /** The TTL by the template of an instance, which counts where neither is given; undefined: it has none. */
  ttlMinutesOf(instance: Stored<ChallengeInstance>): number | undefined
}

/**
 * Moves the end of an instance to a later date. It never moves it to an earlier one. Credits are added to the date in the
 * spec, so that one is earlier by those that the operator has reported.
 */
export function renew(renewal: Renewal): Action {
  return {
    participle: 'renewed',
    step(instance) {
      if (isBeingDeleted(instance)) return { kind: 'refuse', because: tooLate }
      const { spec, status } = instance
      const end = parseTime(status?.expiresAt)
      if (end === undefined && status?.observedGeneration !== undefined)
        return { kind: 'leave', because: 'it has no end' }
      const asked = askedEnd(renewal, instance)
      const creditMs = creditMsOf(instance)
      if (asked === undefined)
        return {
          kind: 'refuse',
          because: 'its template has no ttlMinutes; say how long by --minutes or --until',
        }
      if (asked <= renewal.now) return { kind: 'refuse', because: `${rfc3339(asked)} has passed already` }
      if (end !== undefined && end >= asked)
        return { kind: 'leave', because: `it ends later already, at ${rfc3339(end)}` }
      const date = parseTime(spec.expiresAt)
      if (end !== undefined && date !== undefined && date + creditMs >= asked)
        return { kind: 'leave', because: cutTo(end, date + creditMs) }
      const was = end === undefined ? '' : ` in place of ${rfc3339(end)}`
      return {
        kind: 'patch',
        operations: [{ op: 'add', path: '/spec/expiresAt', value: rfc3339(asked - creditMs) }],
        detail: `the end is ${rfc3339(asked)}${was}`,
      }
    },
  }
}

/**
 * Returns what a renewal came to where it was cut; undefined: it was not.
 * @param after the instance as a pass has reported it since
 */
export function cutOf(after: Stored<ChallengeInstance>): string | undefined {
  const end = parseTime(after.status?.expiresAt)
  const date = parseTime(after.spec.expiresAt)
  if (date === undefined) return undefined
  const asked = date + creditMsOf(after)
  return end !== undefined && end < asked ? cutTo(end, asked) : undefined
}

function creditMsOf({ status }: Stored<ChallengeInstance>): number {
  return (status?.creditMinutes ?? 0) * 60_000
}

function cutTo(end: number, asked: number): string {
  const why = 'its template allows no later one (maxTtlMinutes, availableUntil)'
  return `the end is ${rfc3339(end)} in place of the ${rfc3339(asked)} that was asked for: ${why}`
}

/** Whole seconds, as statuses have them. */
function askedEnd(renewal: Renewal, instance: Stored<ChallengeInstance>): number | undefined {
  const { now, until, minutes = until === undefined ? renewal.ttlMinutesOf(instance) : undefined } = renewal
  if (until !== undefined) return until
  return minutes === undefined ? undefined : Math.ceil(now / 1000) * 1000 + minutes * 60_000
}
