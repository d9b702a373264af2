import type { OperatorConfig } from '../../config/operator.ts'
import type { PlacementSettings } from '../../config/placement.ts'
import type { ChallengeInstance, Child } from '../../crd/challenge-instance.ts'
import { isDependent } from '../../crd/child-kinds.ts'
import type { Stored } from '../../crd/objects.ts'
import { childKey } from '../../crd/reference.ts'
import { ownNamespace, placementOf, possibleNamespaces } from '../../desired/identity.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import { isAdopting } from '../../observed/adopting.ts'
import { expired } from '../../observed/expired.ts'
import { isReplaced } from '../act/ownership.ts'
import { endOwnNamespace, namespaceEndMs } from '../namespace/own-namespace.ts'
import { momentBackoffMs } from '../pass/backoff.ts'
import { answersForceSync, asksWhatBlocksTeardown, verifiesChildren } from '../pass/causes.ts'
import type { Findings } from '../pass/findings.ts'
import { type Pass, type PassResult, requeue, waitOutcome } from '../pass/outcome.ts'
import { closeRow } from '../report/database-row.ts'
import { recordEvents } from '../report/record-events.ts'
import { type Reporting, report } from '../report/report.ts'
import { hasFinalizer, releaseFinalizer } from './finalizer.ts'
import {
  findAdoptable,
  findLeftByDeployment,
  findOwned,
  type OwnedChild,
  removeChildren,
} from './remove-children.ts'
import { whatBlocks } from './what-blocks.ts'

/** When to look again at a Deployment that is going and that the forwarder does not watch, in milliseconds. */
const unwatchedMs = 2_000

interface Teardown extends Reporting {
  config: Pick<OperatorConfig, 'placement'>
  random: () => number
}

export interface FailedTeardown {
  thrown: unknown
  /** Undefined: the teardown failed before it had found the children. */
  teardown: Pick<Findings, 'children' | 'terminating'> | undefined
}

/**
 * Tears down an instance that is being deleted.
 *
 * A pass comes here by the deletion mark and our finalizer:
 *
 * |                  | without our finalizer         | with our finalizer |
 * | ---------------- | ----------------------------- | ------------------ |
 * | no deletion mark | adds the finalizer, reconciles | reconciles         |
 * | deletion mark    | does nothing                  | tears down         |
 *
 * Flow: removes the Deployment in the foreground and waits for its end, removes the other children and the policy last,
 * removes the namespace that the instance has for itself and waits for its end, closes the row, which gives up its host,
 * releases the finalizer. While the Deployment goes, the pass ends as `settled`; the forwarder sees the Deployment disappear and starts the next pass. If another client had deleted the Deployment already, its ReplicaSets and
 * pods are looked for by their labels, and removed in its place.
 *
 * Guarantees: no pod runs without its policy; the instance object stays until every child is gone; every step may be
 * repeated, so a pass that ends anywhere is continued by the next one.
 *
 * Caveats: a database that is away does not delay the end. The row is then closed by a later pass, or by the sweep. A
 * finalizer of another party on the Deployment, or a node that does not answer, delays the teardown without limit; a pass
 * of the sweep or of `force-sync` says in the status what the teardown waits for.
 *
 * Errors: a failure is returned with what was found until then, for the status (`reportFailedRead`).
 */
export async function tearDown(
  deps: Teardown,
  instance: Stored<ChallengeInstance>,
  pass: Pass,
  signal: AbortSignal,
): Promise<PassResult | FailedTeardown> {
  if (!hasFinalizer(instance)) return { outcome: { kind: 'settled' }, events: 0 }
  let children: Child[] | undefined
  try {
    children = await childrenToRemove(deps, instance, signal)
    const { metadata, status } = instance
    const find = (namespace: string) => findLeftByDeployment(deps.cluster, metadata, namespace, signal)
    // A later pass finds the Deployment gone because an earlier one has deleted it, with all that it made. After a failure
    // it is not known how far the earlier one came.
    const deletedByUs = status?.phase === 'Terminating' && !verifiesChildren(pass)
    const options = deletedByUs ? {} : { findLeft: find }
    const { state, left } = await removeChildren(deps.cluster, children, options, signal)
    children = [...children, ...left.map(asRecorded)]
    if (state === 'waiting') return await reportWaiting(deps, { instance, children, pass }, signal)
    children = []
    const waiting = await waitForNamespace(deps, instance, pass, signal)
    if (waiting) return waiting
    return await finish(deps, instance, pass, signal)
  } catch (thrown) {
    return { thrown, teardown: children && { children, terminating: true } }
  }
}

async function reportWaiting(
  deps: Teardown,
  { instance, children, pass }: { instance: Stored<ChallengeInstance>; children: Child[]; pass: Pass },
  signal: AbortSignal,
): Promise<PassResult> {
  // A pass that does not look keeps what the last one has found.
  const notAsked = instance.status?.phase === 'Terminating' ? 'not-examined' : undefined
  const obstacle = asksWhatBlocksTeardown(pass)
    ? await whatBlocks(deps.cluster, instance, children, signal)
    : notAsked
  const findings: Findings = {
    instance,
    workload: { kind: 'none' },
    obstacle,
    children,
    observesGeneration: true,
    handlesSync: answersForceSync(pass),
    terminating: true,
  }
  const { events } = await report(deps, { findings, pass }, signal)
  // The forwarder does not see the end of what a Deployment left, nor that of the older operator's Deployment, which has
  // no labels of ours.
  const unwatched = isAdopting(instance.status) || children.some(isDependent)
  const { waits } = pass
  const afterMs = momentBackoffMs(unwatchedMs, { waits, random: deps.random() })
  return { outcome: unwatched ? requeue('Terminating', afterMs) : { kind: 'settled' }, events }
}

/**
 * Ends the namespace of an instance that has one for itself, after everything else. @returns undefined if there is nothing
 * to wait for
 */
async function waitForNamespace(
  deps: Teardown,
  instance: Stored<ChallengeInstance>,
  pass: Pass,
  signal: AbortSignal,
): Promise<PassResult | undefined> {
  const name = ownNamespaceOf(instance, deps.config.placement)
  if (name === undefined) return undefined
  const end = await endOwnNamespace(deps, { name, uid: instance.metadata.uid }, signal)
  if (end.state === 'over') return undefined
  const findings: Findings = {
    instance,
    workload: { kind: 'none' },
    obstacle: end.state === 'going' ? end.holds : undefined,
    children: [],
    observesGeneration: true,
    handlesSync: answersForceSync(pass),
    terminating: true,
  }
  const { events } = await report(deps, { findings, pass }, signal)
  const firstMs = end.state === 'started' ? namespaceEndMs : unwatchedMs
  const afterMs = momentBackoffMs(firstMs, { waits: pass.waits, random: deps.random() })
  return { outcome: requeue('Terminating', afterMs), events }
}

/** An instance whose first pass ended before its status may have a namespace, too. */
function ownNamespaceOf(
  instance: Stored<ChallengeInstance>,
  { allowed, namespacePrefix }: PlacementSettings,
): string | undefined {
  const { metadata, status } = instance
  if (status?.namespace !== undefined)
    return placementOf(metadata, status.namespace) === 'Instance' ? status.namespace : undefined
  return allowed.includes('Instance') ? ownNamespace(metadata, namespacePrefix) : undefined
}

async function finish(
  deps: Teardown,
  instance: Stored<ChallengeInstance>,
  pass: Pass,
  signal: AbortSignal,
): Promise<PassResult> {
  const why = expired(instance) ? 'expired' : 'deleted'
  const { events, failed, wakes } = await closeRow(deps, instance, { why, waits: pass.waits }, signal)
  const released = await releaseFinalizer(deps.cluster, instance, signal)
  if (!released) return { outcome: requeue('Terminating', 0), events, wakes }
  const { status: before } = instance
  const after = { ...before, phase: 'Terminating' as const }
  await recordEvents(deps, { instance, before, after }, signal)
  if (failed) return { outcome: waitOutcome(failed, pass, deps.random()), events, wakes }
  return { outcome: { kind: 'settled' }, events, wakes }
}

/**
 * The recorded children. If the last pass may have ended before it recorded them, also those that carry our labels. For
 * an instance of the older operator also those of its objects that no pass has taken over yet.
 */
async function childrenToRemove(
  { cluster, config }: Pick<Teardown, 'cluster' | 'config'>,
  instance: Stored<ChallengeInstance>,
  signal: AbortSignal,
): Promise<Child[]> {
  const { metadata, status } = instance
  const places = possibleNamespaces(instance, config.placement)
  const recorded = await stillOurs(cluster, instance, signal)
  const adoptable = isAdopting(status) ? await findAdoptable(cluster, instance, signal) : []
  // A deletion mark is a new generation of its own.
  const alreadyReconciled = status?.observedGeneration === (metadata.generation ?? 0) - 1
  const complete = alreadyReconciled || status?.phase === 'Terminating'
  const found = [...adoptable, ...(complete ? [] : await findOwned(cluster, metadata, places, signal))]
  const known = new Set(recorded.map(childKey))
  const unknown = found.filter(child => !known.has(childKey(child)))
  return [...recorded, ...unknown.map(asRecorded)]
}

/**
 * The recorded children without those that a person has replaced during a pause. No pass has looked at them since, and
 * they are deleted by their names.
 */
async function stillOurs(
  cluster: Cluster,
  instance: Stored<ChallengeInstance>,
  signal: AbortSignal,
): Promise<Child[]> {
  const { reason, children = [] } = instance.status ?? {}
  if (reason !== 'Paused') return children
  const found = await Promise.all(children.map(child => cluster.getMetadata(child, signal)))
  return children.filter((_, index) => {
    const object = found[index]
    return object === undefined || !isReplaced(object, instance)
  })
}

function asRecorded({ apiVersion, kind, namespace, name }: OwnedChild): Child {
  return { apiVersion, kind, namespace, name, version: '', hash: '' }
}
