import type { OperatorConfig } from '../config/operator.ts'
import type { Hibernation } from '../crd/challenge-instance.ts'
import type { ChallengeTemplateSpec } from '../crd/challenge-template.ts'
import { epochMs } from '../crd/time.ts'
import { rfc3339 } from '../lifetime.ts'
import { idleAfterMs, isAfter, isInUse, latestActivity } from '../observed/activity.ts'
import type { Use } from './pass/findings.ts'
import type { Observed } from './pass/observation.ts'

/** A start is not late for as long as an ordinary first pass takes, in milliseconds. */
const startMs = 60_000

/**
 * Decides whether an instance is hibernated. `spec.suspend` goes before everything else. An instance that is idle stays so
 * until activity comes, or until somebody writes `suspend: false`.
 * @param now epoch milliseconds
 */
export function useOf(
  observed: Pick<Observed, 'instance' | 'activity'>,
  spec: ChallengeTemplateSpec,
  config: Pick<OperatorConfig, 'idleMillicores'>,
  now: number,
): Use {
  const { instance, activity } = observed
  const { hibernation: before, phase, children = [] } = instance.status ?? {}
  const { at, reported } = latestActivity(instance, activity?.lastActiveAt, now)
  const hasSource = activity && (reported || config.idleMillicores !== undefined)
  if (instance.spec.suspend) {
    const since = before?.reason === 'Suspended' ? before.since : rfc3339(now)
    return { hibernation: { reason: 'Suspended', since }, beganAt: undefined, hasSource }
  }
  if (before !== undefined) {
    const stays = before.reason === 'Idle' && !isWoken(observed, before)
    return { hibernation: stays ? before : undefined, beganAt: stays ? undefined : now, hasSource }
  }
  const startsLate =
    children.length === 0 && now - (epochMs(instance.metadata.creationTimestamp) ?? now) > startMs
  const timeoutMs = idleAfterMs(spec, config)
  const isIdle = phase === 'Ready' && hasSource && timeoutMs !== undefined && now - at >= timeoutMs
  return {
    hibernation: isIdle ? { reason: 'Idle', since: rfc3339(now) } : undefined,
    beganAt: startsLate ? now : undefined,
    hasSource,
    inUse: activity && reported && !isIdle ? isInUse({ at, reported }, timeoutMs, now) : undefined,
  }
}

function isWoken({ instance, activity }: Pick<Observed, 'instance' | 'activity'>, { since }: Hibernation) {
  const { metadata, spec, status } = instance
  const asked = spec.suspend === false && metadata.generation !== status?.observedGeneration
  const latest = latestActivity(instance, activity?.lastActiveAt, Number.POSITIVE_INFINITY)
  // A wake that waits for room, or for the database to say whether there is any, is not forgotten.
  const waits = status?.reason === 'Queued' || status?.reason === 'DatabaseUnavailable'
  return asked || waits || (latest.reported && isAfter(latest.at, epochMs(since) ?? 0))
}
