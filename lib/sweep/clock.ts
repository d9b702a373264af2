import { creditMinutes } from '../clock/credits.ts'
import type { ClockState, Credit } from '../clock/state.ts'
import { operatorError } from '../errors.ts'
import type { Log } from '../telemetry/log.ts'
import { type Mismatch, mismatch, unchangedForGrace } from './mismatch.ts'
import type { SweptInstance } from './swept-instance.ts'

/** While the state cannot be read, a sweep holds back what a pause holds back. */
const unknownClock: ClockState = { paused: true, lockdown: false, credits: [] }

/** Reads the state of the organiser's clock. One that cannot be read ends no sweep. */
export async function readSweptClock(
  { readClock, log }: { readClock: (signal: AbortSignal) => Promise<ClockState>; log: Log },
  signal: AbortSignal,
): Promise<ClockState> {
  try {
    return await readClock(signal)
  } catch (thrown) {
    signal.throwIfAborted()
    log.warn("organiser's clock not read, sweep goes on as during a pause", { error: operatorError(thrown) })
    return unknownClock
  }
}

/** Returns what a sweep sends also during a pause: a person has deleted these instances. */
export function notHeldBack(
  found: readonly Mismatch[],
  instances: ReadonlyMap<string, SweptInstance>,
  { paused }: Pick<ClockState, 'paused'>,
): Mismatch[] {
  if (!paused) return [...found]
  return found.filter(
    ({ cause, key }) => cause === 'orphan' || instances.get(key.uid)?.deletingSince !== undefined,
  )
}

/**
 * Returns the mismatches of rows that a sweep sends. They are repaired during a pause, too. A pass that cannot read the clock
 * either fails, and each message would begin another series of attempts, so they wait for the clock then.
 */
export function rowsNotHeldBack(
  wrong: readonly Mismatch[],
  instances: ReadonlyMap<string, SweptInstance>,
  clock: ClockState,
): Mismatch[] {
  return clock === unknownClock ? notHeldBack(wrong, instances, clock) : [...wrong]
}

/** Returns instances whose reported end does not include the credits that count for them. */
export function creditsUnreported(
  instances: Iterable<SweptInstance>,
  credits: readonly Credit[],
  now: number,
): Mismatch[] {
  return [...instances]
    .filter(instance => instance.expiresAt !== undefined && unchangedForGrace(instance, now))
    .filter(({ credited }) => credited.minutes !== creditMinutes(credited.scope, credits))
    .map(instance => mismatch(instance, 'changed'))
}
