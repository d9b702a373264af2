import type { ClockState } from '../../clock/state.ts'
import type { OperatorConfig } from '../../config/operator.ts'
import { type ChallengeInstance, hashOfNoTemplate } from '../../crd/challenge-instance.ts'
import type { ChallengeTemplate } from '../../crd/challenge-template.ts'
import type { Stored } from '../../crd/objects.ts'
import { clockSkewMs, expiresAt } from '../../lifetime.ts'
import { isPaused } from '../../observed/paused.ts'
import { isTemplateInUse } from '../template/template-in-use.ts'

/** What the end of an instance follows from. */
export interface EndGround {
  instance: Stored<ChallengeInstance>
  clock: ClockState
  /** The template that exists; undefined: there is none. */
  template: Stored<ChallengeTemplate> | undefined
}

/** Epoch milliseconds. */
export interface EndTimes {
  /** The most likely time of the API server. */
  now: number
  /** A time that the API server has reached. */
  reached: number
}

export type EndVerdict =
  /** `at`: the end in epoch milliseconds. */
  | { kind: 'over'; at: number }
  | { kind: 'soon'; inMs: number; at: number }
  /** It is not over, or a pass has to read more to know it. */
  | { kind: 'open' }

/**
 * Judges an end by no more than it follows from in the usual case: the instance lives, is not paused, and uses the template
 * that exists. It never calls an end over that `decide` does not call over.
 */
export function judgeEnd(
  { instance, clock, template }: EndGround,
  config: Pick<OperatorConfig, 'defaultTtlMinutes'>,
  times: EndTimes,
): EndVerdict {
  const { metadata, status } = instance
  if (metadata.deletionTimestamp !== undefined || isPaused(metadata) || clock.paused) return { kind: 'open' }
  if (template === undefined || !usesTemplate(status, template)) return { kind: 'open' }
  const end = expiresAt(instance, template, { ...config, ...clock })
  if (end === undefined) return { kind: 'open' }
  if (end <= times.reached) return { kind: 'over', at: end }
  const inMs = untilEndMs(end, times)
  return inMs === undefined ? { kind: 'open' } : { kind: 'soon', inMs, at: end }
}

/**
 * Returns how long to wait for an end that another clock took for over: until it has most likely come, and then until the
 * API server has reached it. Undefined if it is not that near.
 */
export function untilEndMs(end: number, { now, reached }: EndTimes): number | undefined {
  const ahead = end > now ? end - now : end - reached
  return ahead > 0 && ahead <= clockSkewMs ? ahead : undefined
}

function usesTemplate(status: ChallengeInstance['status'], template: Stored<ChallengeTemplate>): boolean {
  const used = status?.template
  return used === undefined || used.hash === hashOfNoTemplate || isTemplateInUse(template, used)
}
