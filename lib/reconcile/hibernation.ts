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
  const began = epochMs(since) ?? 0
  const asked = spec.suspend === false && metadata.generation !== status?.observedGeneration
  const latest = latestActivity(instance, activity?.lastActiveAt, Number.POSITIVE_INFINITY)
  const told = latest.reported && isAfter(latest.at, began)
  return asked || told || isAfter(epochMs(status?.lastActivityAt), began)
}

/**
 * Returns what a status has to keep of a wake that the pass could not carry out: for want of room, of the database, of the
 * template, or for a failure. The next passes wake the instance, whatever keeps it from starting meanwhile.
 * @param now epoch milliseconds
 * @returns undefined if there is no such wake, or if it is kept already
 */
export function wakeToKeep(observed: Pick<Observed, 'instance' | 'activity'>, now: number): Use | undefined {
  const { spec, status } = observed.instance
  const { hibernation, lastActivityAt } = status ?? {}
  if (hibernation?.reason !== 'Idle' || spec.suspend || !isWoken(observed, hibernation)) return undefined
  if (isAfter(epochMs(lastActivityAt), epochMs(hibernation.since) ?? 0)) return undefined
  return { hibernation, beganAt: now, hasSource: undefined }
}
