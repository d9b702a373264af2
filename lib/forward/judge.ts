import type { Cause } from '../messages.ts'
import type { InstanceDigest } from './instance-digest.ts'
import { childrenUnrecorded, orphaned } from './judge-children.ts'
import { workloadUnreflected } from './judge-workload.ts'
import type { Row, TemplateDigest } from './row.ts'
import type { Verdict, Wake } from './verdict.ts'

/**
 * Is there work undone? Read off the objects alone, so that it survives any restart: a settled instance shows none of
 * these, and our own status and finalizer writes never make one. One wake at most, the most pressing: every pass ends in
 * a status write or a deletion, and then it is judged again.
 *
 *     gone          its children are still there          → orphan
 *     deleting      not taken up, or the workload is gone → deleted
 *     live          its time is over                      → expiry
 *                   spec, pause, finalizer                → changed
 *                   force-sync                            → manual
 *                   another template than considered      → template
 *                   children other than recorded          → child
 *                   workload other than reported          → pod, child
 *
 * @param template undefined: there is none; call it only after every list has ended
 * @param now epoch milliseconds
 */
export function judge(row: Row, template: TemplateDigest | undefined, now: number): Verdict {
  const { instance } = row
  if (instance === undefined) return { wake: orphaned(row, undefined) }
  if (instance.deleting) return { wake: teardownUnfinished(row, instance) }
  const own = generationUnobserved(instance) ?? pauseUnreflected(instance)
  if (instance.paused) return { wake: own }
  const { expiresAt = Number.POSITIVE_INFINITY } = instance
  if (template !== undefined && adopted(instance) && !expired(instance, now))
    return { rollout: own, dueAt: later(expiresAt, now) }
  const pressing = expired(instance, now) ?? own ?? finalizerMissing(instance) ?? syncUnhandled(instance)
  if (pressing) return { wake: pressing, dueAt: later(expiresAt, now) }
  const rollout = templateUnconsidered(instance, template)
  if (rollout && !runs(instance)) return { wake: rollout, dueAt: later(expiresAt, now) }
  const workload = workloadUnreflected(row, instance, now)
  const wake = childrenUnrecorded(row, instance) ?? workload.wake ?? orphaned(row, instance)
  return { wake, rollout, dueAt: later(Math.min(expiresAt, workload.dueAt ?? expiresAt), now) }
}

function later(at: number, now: number): number | undefined {
  return at > now && at !== Number.POSITIVE_INFINITY ? at : undefined
}

/**
 * The old operator gave it its phase, and no pass of ours has dealt with it yet. Taking its Deployment over restarts its
 * pod, so all of them at once would be an outage: they go in turn, like a template change.
 */
function adopted(instance: InstanceDigest): boolean {
  return instance.observedGeneration === 0 && instance.phase !== undefined
}

/** Nothing of an instance without a Deployment can break by a template change, so it waits for nobody. */
function runs(instance: InstanceDigest): boolean {
  return instance.children.some(child => child.kind === 'Deployment')
}

/** While the Deployment goes in the foreground there is nothing to do; without our finalizer it is not ours any more. */
function teardownUnfinished(row: Row, instance: InstanceDigest): Wake | undefined {
  if (!instance.held) return undefined
  if (instance.phase !== 'Terminating') return wakeOf(instance, 'deleted', 'marked')
  const stands = row.dependents.some(each => each.kind === 'Deployment')
  return stands ? undefined : wakeOf(instance, 'deleted', 'workload gone')
}

function expired(instance: InstanceDigest, now: number): Wake | undefined {
  const { expiresAt } = instance
  if (expiresAt === undefined || expiresAt > now) return undefined
  return wakeOf(instance, 'expiry', String(expiresAt))
}

/** A generation comes once, so it is its own version; the status writes of a pass that goes on must not repeat it. */
function generationUnobserved(instance: InstanceDigest): Wake | undefined {
  const { generation, observedGeneration } = instance
  if (generation === observedGeneration) return undefined
  const version = String(generation)
  return { ...wakeOf(instance, 'changed', `generation ${generation}`), version }
}

function pauseUnreflected(instance: InstanceDigest): Wake | undefined {
  const { paused, reason } = instance
  if (paused === (reason === 'Paused')) return undefined
  return wakeOf(instance, 'changed', paused ? 'paused' : 'resumed')
}

/** A PUT can strip it without a new generation. */
function finalizerMissing(instance: InstanceDigest): Wake | undefined {
  return instance.held ? undefined : wakeOf(instance, 'changed', 'finalizer')
}

function syncUnhandled(instance: InstanceDigest): Wake | undefined {
  const { syncWanted } = instance
  return syncWanted === undefined ? undefined : wakeOf(instance, 'manual', syncWanted)
}

/** The template's watch may be behind the instance's: a generation older than the one considered is no news. */
function templateUnconsidered(
  instance: InstanceDigest,
  template: TemplateDigest | undefined,
): Wake | undefined {
  const saidMissing = instance.stalledReason === 'TemplateMissing'
  if (template === undefined)
    return saidMissing ? undefined : { ...wakeOf(instance, 'template', 'missing'), holdMs: 1_000 }
  const { uid, generation } = template
  const considered = uid === instance.templateUid && generation <= instance.templateGeneration
  return considered && !saidMissing ? undefined : wakeOf(instance, 'template', `${uid}:${generation}`)
}

function wakeOf(instance: InstanceDigest, cause: Cause, about: string): Wake {
  const { uid, resourceVersion } = instance
  return { uid, cause, about, version: `${about}@${resourceVersion}`, resourceVersion, holdMs: 0 }
}
