import { type ClockState, openClock } from '../../clock/state.ts'
import { generationOfNoTemplate } from '../../crd/challenge-instance.ts'
import { isBuiltWith, type PresentSettings } from '../../desired/configuration.ts'
import { warnedAt } from '../../lifetime.ts'
import type { Cause } from '../../messages.ts'
import type { InstanceDigest } from '../table/instance-digest.ts'
import type { Row, TemplateDigest } from '../table/row.ts'
import { childrenUnrecorded, orphaned } from './judge-children.ts'
import { creditsUnreported, lockdownUnreflected } from './judge-clock.ts'
import { exposureUnreflected } from './judge-exposure.ts'
import { workloadUnreflected } from './judge-workload.ts'
import type { Mismatch } from './mismatch.ts'
import { seenEnd } from './seen-end.ts'
import type { Verdict, Wake } from './verdict.ts'

/**
 * Milliseconds. Another watch reports the template, so its event may arrive after that of its instance. A slow API server
 * takes a second.
 */
const templateMissingMs = 1_000

/** What instances are judged by beside the objects themselves. */
export interface JudgeRules {
  /** The settings that instances should be built with. */
  settings?: PresentSettings
  /** The Gateway of routes is watched and does not exist. */
  gatewayIsMissing?: boolean
  /** See `OperatorConfig`. */
  warnMinutes?: number
  /** The state of the organiser's clock. */
  clock?: ClockState
  /** See `lockdownUnreflected`. */
  closedOwnPolicy?: string
}

/**
 * Decides whether the objects show that work is left. Nothing else is read, so the answer survives any restart. A
 * settled instance shows no mismatch, and the status and finalizer writes of the operator never cause one. The verdict
 * holds the most pressing mismatch only: the write that ends this mismatch is an event, and the row is judged again then.
 *
 *     instance    mismatch                                cause
 *     gone        its children are still there            orphan
 *     deleting    not taken up, or the workload is gone   deleted
 *                 force-sync                              manual
 *     live        its time is over                        expiry
 *                 spec, pause, finalizer                  changed
 *                 force-sync                              manual
 *                 own policy, during or after a lockdown  changed
 *                 its template has opened                 changed
 *                 a player came back to it                changed
 *                 its end is near, and untold             changed
 *                 credits other than in its end           changed
 *                 another template than considered        template
 *                 built with other settings               changed
 *                 children other than recorded            child
 *                 workload other than reported            pod, child
 *                 exposure other than reported            child
 *
 * Call it only after every list has ended.
 * @param template undefined: there is no such template
 * @param now epoch milliseconds
 */
export function judge(
  row: Row,
  template: TemplateDigest | undefined,
  now: number,
  {
    settings,
    closedOwnPolicy,
    gatewayIsMissing = false,
    warnMinutes = 0,
    clock = openClock,
  }: JudgeRules = {},
): Verdict {
  const { instance } = row
  if (instance === undefined) return { wake: orphaned(row, undefined) }
  if (instance.deleting) return { wake: teardownUnfinished(row, instance) ?? teardownAskedAbout(instance) }
  const own = pauseUnreflected(instance) ?? generationUnobserved(instance)
  const unlocked = lockdownWake(instance, clock, closedOwnPolicy)
  // A lockdown is for safety, so a pause does not hold it back.
  if (instance.paused) return { wake: own ?? unlocked }
  const unreported = creditsUnreported(instance, clock)
  const end = earlierEnd(instance, unreported?.movesMs)
  const dueAt = nextDate(instance, end, now, warnMinutes)
  const over = expired(instance, end, now)
  if (clock.paused) return heldBack(row, { instance, template, over, unlocked, dueAt }, now)
  const credits = unreported && wakeOf(instance, 'changed', unreported.mismatch)
  const takeover = instance.adopting && !over ? takeoverDue(instance, template) : undefined
  if (takeover) return { rollout: takeover, credits, dueAt }
  const pressing =
    over ??
    own ??
    finalizerMissing(instance) ??
    syncUnhandled(instance) ??
    unlocked ??
    opened(instance, now) ??
    awaited(instance) ??
    (unreported ? undefined : expiring(instance, now, warnMinutes))
  if (pressing) return { wake: pressing, credits, dueAt }
  const rollout = templateUnconsidered(instance, template)
  if (rollout && !hasWorkload(instance)) return { wake: rollout, credits, dueAt }
  const workload = workloadUnreflected(row, instance, now)
  const children = childrenUnrecorded(row, instance, now)
  const wake =
    children.wake ??
    workload.wake ??
    exposureUnreflected(row, instance, gatewayIsMissing) ??
    orphaned(row, instance)
  const outdated = settings === undefined ? undefined : settingsOutdated(instance, settings)
  const next = earliest([dueAt, workload.dueAt, children.dueAt], now)
  return { wake, rollout, settings: outdated, credits, dueAt: next }
}

interface Held {
  instance: InstanceDigest
  template: TemplateDigest | undefined
  over: Wake | undefined
  unlocked: Wake | undefined
  dueAt: number | undefined
}

/**
 * During a pause of the organiser's clock an instance is told once that something is held back. What predecessors left is
 * removed all the same: a person deleted them. A lockdown closes, and opens again, all the same.
 */
function heldBack(row: Row, { instance, template, over, unlocked, dueAt }: Held, now: number): Verdict {
  const left = orphaned(row, instance)
  const { reason, generation, reportedGeneration } = instance
  if (reason === 'Paused' && generation === reportedGeneration) return { wake: unlocked ?? left }
  const children = childrenUnrecorded(row, instance, now)
  const start = hasWorkload(instance) ? undefined : templateUnconsidered(instance, template)
  const wake =
    unlocked ??
    over ??
    generationUnobserved(instance) ??
    opened(instance, now) ??
    awaited(instance) ??
    start ??
    children.wake ??
    left
  return { wake, dueAt: earliest([dueAt, children.dueAt], now) }
}

/**
 * The end that the pass is asked about. With credits that take minutes away it comes before the reported one; with others
 * the pass finds at the reported end that it is a later one.
 */
function earlierEnd({ expiresAt }: InstanceDigest, movesMs = 0): number | undefined {
  return expiresAt === undefined ? undefined : expiresAt + Math.min(0, movesMs)
}

/** The next date: the opening of the template, the end, or the warning of it. */
function nextDate(
  { availableFrom }: InstanceDigest,
  end: number | undefined,
  now: number,
  warnMinutes: number,
): number | undefined {
  return earliest([availableFrom, warnedAt(end, warnMinutes), end], now)
}

/** The earliest of the times that are still to come. */
function earliest(times: (number | undefined)[], now: number): number | undefined {
  const ahead = times.filter(at => at !== undefined && at > now) as number[]
  return ahead.length === 0 ? undefined : Math.min(...ahead)
}

/**
 * Finds an instance of the older operator whose objects can be taken over. That restarts its pod. All takeovers at once
 * would be an outage, so they are paced like a template change.
 */
function takeoverDue(instance: InstanceDigest, template: TemplateDigest | undefined): Wake | undefined {
  if (template === undefined) return undefined
  return (
    pauseUnreflected(instance) ?? generationUnobserved(instance) ?? templateUnconsidered(instance, template)
  )
}

/** Whether a template change can break something. Without a Deployment it cannot, and is not paced. */
function hasWorkload(instance: InstanceDigest): boolean {
  return instance.children.some(child => child.kind === 'Deployment')
}

/**
 * While the Deployment is removed in the foreground, there is nothing to do. An instance without our finalizer is not
 * ours any more.
 */
function teardownUnfinished(row: Row, instance: InstanceDigest): Wake | undefined {
  if (!instance.hasFinalizer) return undefined
  if (instance.phase !== 'Terminating') return wakeOf(instance, 'deleted', { kind: 'teardown-not-started' })
  // It waits for the end of its own namespace, and a timer brings it back.
  if (instance.placedElsewhere && instance.children.length === 0) return undefined
  const workloadExists = row.dependents.some(each => each.kind === 'Deployment')
  return workloadExists ? undefined : wakeOf(instance, 'deleted', { kind: 'teardown-workload-gone' })
}

/** A pass of `force-sync` says what the teardown waits for. */
function teardownAskedAbout(instance: InstanceDigest): Wake | undefined {
  return instance.hasFinalizer ? syncUnhandled(instance) : undefined
}

function expired(instance: InstanceDigest, expiresAt: number | undefined, now: number): Wake | undefined {
  if (expiresAt === undefined || expiresAt > now) return undefined
  const wake = wakeOf(instance, 'expiry', { kind: 'expired', expiresAt })
  return { ...wake, end: seenEnd(instance, expiresAt) }
}

/** A pass that was told of a date by a clock that is ahead looks again at the end, so a little time is left for that. */
function expiring(instance: InstanceDigest, now: number, warnMinutes: number): Wake | undefined {
  const { expiresAt, warnedOf } = instance
  const due = warnedAt(expiresAt, warnMinutes)
  if (expiresAt === undefined || due === undefined || due > now || warnedOf === expiresAt) return undefined
  return wakeOf(instance, 'changed', { kind: 'expiring', expiresAt })
}

/** A player waits for an instance that was idle. */
function awaited(instance: InstanceDigest): Wake | undefined {
  const { activityAfterIdle: at, reason } = instance
  // One that waits for room has been told, and a timer brings it back.
  return at === undefined || reason === 'Queued'
    ? undefined
    : wakeOf(instance, 'changed', { kind: 'activity', at })
}

function lockdownWake(
  instance: InstanceDigest,
  clock: ClockState,
  closed: string | undefined,
): Wake | undefined {
  if (!lockdownUnreflected(instance, clock, closed)) return undefined
  return wakeOf(instance, 'changed', { kind: 'lockdown', lockdown: clock.lockdown })
}

function opened(instance: InstanceDigest, now: number): Wake | undefined {
  const { availableFrom } = instance
  if (availableFrom === undefined || availableFrom > now) return undefined
  return wakeOf(instance, 'changed', { kind: 'opened', availableFrom })
}

/** A generation comes once, so it needs no versions. The status writes of a pass under way must not repeat its message. */
function generationUnobserved(instance: InstanceDigest): Wake | undefined {
  const { generation, observedGeneration, paused } = instance
  if (paused || generation === observedGeneration) return undefined
  return { ...wakeOf(instance, 'changed', { kind: 'generation', generation }), readVersions: [] }
}

/** An edit during a pause is told, and acted on after the pause. */
function pauseUnreflected(instance: InstanceDigest): Wake | undefined {
  const { paused, reason, generation, reportedGeneration } = instance
  const told = paused ? reason === 'Paused' && generation === reportedGeneration : reason !== 'Paused'
  return told ? undefined : wakeOf(instance, 'changed', { kind: 'pause', paused, generation })
}

/** A PUT can remove the finalizer without a new generation. */
function finalizerMissing(instance: InstanceDigest): Wake | undefined {
  return instance.hasFinalizer ? undefined : wakeOf(instance, 'changed', { kind: 'finalizer-missing' })
}

function syncUnhandled(instance: InstanceDigest): Wake | undefined {
  const { syncWanted: wanted } = instance
  return wanted === undefined ? undefined : wakeOf(instance, 'manual', { kind: 'force-sync', wanted })
}

/** The template's watch may be behind the instance's, so a generation older than the one considered is not new. */
function templateUnconsidered(
  instance: InstanceDigest,
  template: TemplateDigest | undefined,
): Wake | undefined {
  const { stalledReason, templateGeneration } = instance
  // An earlier release reported it as the reason only, which another stall of the instance could hide.
  const missingReported = templateGeneration === generationOfNoTemplate || stalledReason === 'TemplateMissing'
  if (template === undefined) {
    if (missingReported) return undefined
    const wake = wakeOf(instance, 'template', { kind: 'template', template })
    return { ...wake, delayMs: templateMissingMs }
  }
  const { uid, generation } = template
  const considered = uid === instance.templateUid && generation <= templateGeneration
  if (considered && !missingReported) return undefined
  return wakeOf(instance, 'template', { kind: 'template', template })
}

/** An instance of an earlier release has no record of its settings. It counts as built with the present ones. */
function settingsOutdated(instance: InstanceDigest, present: PresentSettings): Wake | undefined {
  const { configuration } = instance
  if (configuration === undefined || isBuiltWith(present, configuration.settings)) return undefined
  const { settingsOfOwnPolicy: settings } = present
  return hasWorkload(instance) ? wakeOf(instance, 'changed', { kind: 'settings', settings }) : undefined
}

function wakeOf(instance: InstanceDigest, cause: Cause, mismatch: Mismatch): Wake {
  const { uid, resourceVersion } = instance
  return { uid, cause, mismatch, readVersions: [resourceVersion], resourceVersion, delayMs: 0 }
}
