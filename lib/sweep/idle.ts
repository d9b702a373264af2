import type { ChallengeTemplate } from '../crd/challenge-template.ts'
import type { Stored } from '../crd/objects.ts'
import { idleAfterMs, isAfter, recordedEveryMs } from '../observed/activity.ts'
import type { OpenRow } from '../store/store.ts'
import { type Mismatch, mismatch } from './mismatch.ts'
import type { SweptInstance } from './swept-instance.ts'

/** What a sweep knows of the use of instances. */
export interface UseSeen {
  rows: ReadonlyMap<string, Pick<OpenRow, 'lastActiveAt'>>
  templates: readonly Pick<Stored<ChallengeTemplate>, 'metadata' | 'spec'>[]
  /** Processor time of the pods by uid of the instance, in thousandths of a core; undefined: it is no source. */
  millicores: ReadonlyMap<string, number> | undefined
  idleMillicores: number | undefined
  /** See `ToCompare`. */
  hibernates: boolean
  /** Epoch milliseconds. */
  now: number
}

export interface UseFound {
  /** Instances that a pass may hibernate, and those that it has to wake. */
  mismatches: Mismatch[]
  /** The uids of busy instances whose rows are so old that they are told again. */
  busy: string[]
  /** How many instances fell silent at the same time, so that none of them is hibernated. */
  silent: number
}

/** The least value of `idleTimeoutMinutes` in the CRD, in milliseconds. */
export const shortestTimeoutMs = 300_000

/** Proxies report at most this far apart, in milliseconds. Silence that begins within it begins at the same time for all. */
const reportMs = 300_000

/** Fewer instances than that fall silent together by chance. */
const silentFrom = 3

/**
 * Whether an instance may be due for hibernation under any template, so that the templates have to be read. One that says
 * that it has no source of activity, and still has none, is not.
 */
export function mayBeIdle(
  instances: Iterable<SweptInstance>,
  { rows, idleMillicores, now }: Pick<UseSeen, 'rows' | 'idleMillicores' | 'now'>,
): boolean {
  const isKnown = ({ uid, activity, lacksActivitySource }: SweptInstance) =>
    !lacksActivitySource || activity.reported || rows.get(uid)?.lastActiveAt !== undefined
  return [...instances].some(
    each =>
      isRunning(each) &&
      now - each.activity.at >= shortestTimeoutMs &&
      (idleMillicores !== undefined || isKnown(each)),
  )
}

/** Compares the latest activity of instances with the timeouts of their templates. */
export function useFound(instances: ReadonlyMap<string, SweptInstance>, seen: UseSeen): UseFound {
  const { rows, millicores, hibernates, now } = seen
  const woken = [...instances.values()].filter(({ idleSince, uid, deletingSince }) => {
    const activity = rows.get(uid)?.lastActiveAt
    return idleSince !== undefined && deletingSince === undefined && isAfter(activity, idleSince)
  })
  const running = [...instances.values()].filter(isRunning).flatMap(each => usedInstance(each, seen) ?? [])
  const busy = running.filter(({ isBusy }) => isBusy)
  const due = running.filter(
    ({ isBusy, uid, activeAt, timeoutMs }) =>
      hibernates &&
      !isBusy &&
      now - activeAt >= timeoutMs &&
      (millicores === undefined || millicores.has(uid)),
  )
  const silent = new Set(silentTogether(running, now).map(({ uid }) => uid))
  const idle = due.filter(({ uid, reported, instance }) =>
    reported || millicores !== undefined ? !silent.has(uid) : !instance.lacksActivitySource,
  )
  return {
    mismatches: [...woken, ...idle.map(({ instance }) => instance)].map(each => mismatch(each, 'idle')),
    busy: busy
      .filter(({ uid, timeoutMs }) => now - (rows.get(uid)?.lastActiveAt ?? 0) >= recordedEveryMs(timeoutMs))
      .map(({ uid }) => uid),
    silent: due.filter(({ uid }) => silent.has(uid)).length,
  }
}

interface Used {
  instance: SweptInstance
  uid: string
  activeAt: number
  timeoutMs: number
  /** Something has told of activity. */
  reported: boolean
  isBusy: boolean
}

/** `ms` as `idleAfterMs` returns it. @returns undefined if the template is not known */
export function idleAfterOf(
  { namespace, templateRef }: Pick<SweptInstance, 'namespace' | 'templateRef'>,
  { templates, idleMillicores }: Pick<UseSeen, 'templates' | 'idleMillicores'>,
): { ms: number | undefined } | undefined {
  const template = templates.find(
    ({ metadata }) => metadata.namespace === namespace && metadata.name === templateRef,
  )
  return template && { ms: idleAfterMs(template.spec, { idleMillicores }) }
}

/** Returns undefined for an instance that is never hibernated. */
function usedInstance(
  instance: SweptInstance,
  { rows, templates, millicores, idleMillicores, now }: UseSeen,
): Used | undefined {
  const { uid, activity } = instance
  const timeoutMs = idleAfterOf(instance, { templates, idleMillicores })?.ms
  if (timeoutMs === undefined) return undefined
  const inDatabase = rows.get(uid)?.lastActiveAt
  const activeAt = Math.min(now, Math.max(activity.at, inDatabase ?? 0))
  const reported = activity.reported || inDatabase !== undefined
  const isBusy = idleMillicores !== undefined && (millicores?.get(uid) ?? 0) > idleMillicores
  return { instance, uid, activeAt, timeoutMs, reported, isBusy }
}

/**
 * Returns the instances whose activity ended together, if they are half of all whose activity is reported: their proxy died
 * more likely than that all players left. A proxy reports again when it is back.
 */
function silentTogether(running: readonly Used[], now: number): Used[] {
  const reported = running.filter(each => each.reported)
  const latest = Math.max(0, ...reported.map(({ activeAt }) => activeAt))
  if (now - latest < reportMs || running.some(({ isBusy }) => isBusy)) return []
  const last = reported.filter(({ activeAt }) => latest - activeAt < reportMs)
  return last.length >= silentFrom && last.length * 2 >= reported.length ? last : []
}

export function isRunning({ phase, deletingSince, reason }: SweptInstance): boolean {
  return phase === 'Ready' && deletingSince === undefined && reason !== 'Paused'
}
