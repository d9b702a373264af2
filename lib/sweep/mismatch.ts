import { defaultDenyName, labels } from '../crd/group.ts'
import type { KubernetesObject } from '../crd/objects.ts'
import { progressDeadlineSeconds } from '../desired/objects/deployment.ts'
import type { Cause, InstanceKey } from '../messages.ts'
import { childVersion } from '../observed/child-version.ts'
import { waitsForTimer } from '../reasons.ts'
import type { OpenRow } from '../store/store.ts'
import type { InstanceDigest } from './instance-digest.ts'

export interface Mismatch {
  key: InstanceKey
  cause: Cause
  resourceVersion: string
}

/** A pass takes well under this; what is younger is being dealt with. In milliseconds. */
const graceMs = 10_000

/** A teardown that takes longer than this is looked at again. In milliseconds. */
const teardownMs = 60_000

/** Rows that the cluster does not bear out, and instances that the database does not know, or knows wrongly. */
export function rowMismatches(
  rows: ReadonlyMap<string, OpenRow>,
  instances: ReadonlyMap<string, InstanceDigest>,
  now: number,
): Mismatch[] {
  const gone = [...rows.values()].filter(row => !instances.has(row.uid))
  const wrong = [...instances.values()].filter(
    instance => instance.synced && quiet(instance, now) && !rowFits(rows.get(instance.uid), instance),
  )
  return [...gone.map(row => mismatch(row, 'orphan')), ...wrong.map(instance => mismatch(instance, 'drift'))]
}

/** Instances whose time is over and that the forwarder's clock has not ended. `sinceMs`: since the last sweep. */
export function overdue(instances: Iterable<InstanceDigest>, now: number, sinceMs: number): Mismatch[] {
  return [...instances]
    .filter(
      ({ expiresAt, deletingSince }) =>
        deletingSince === undefined && agesAnew(now - (expiresAt ?? now), 1, sinceMs),
    )
    .map(instance => mismatch(instance, 'expiry'))
}

/** Instances whose deletion does not come to an end. `sinceMs`: since the last sweep. */
export function slowTeardowns(instances: Iterable<InstanceDigest>, now: number, sinceMs: number): Mismatch[] {
  return [...instances]
    .filter(({ deletingSince }) => agesAnew(now - (deletingSince ?? now), teardownMs, sinceMs))
    .map(instance => mismatch(instance, 'drift'))
}

/**
 * Whether its age has reached `first`, or doubled again, within the last `sinceMs`. What lasts may wait in a queue that is
 * long already: a message for it at every sweep would make it longer, when there is the least room for it.
 */
function agesAnew(age: number, first: number, sinceMs: number): boolean {
  if (age < first) return false
  const before = age - sinceMs
  return before < first || Math.floor(Math.log2(age / first)) > Math.floor(Math.log2(before / first))
}

/**
 * Instances that a lost message or timer may have left behind: not dealt with, with a row not written, waiting, or on
 * their way for longer than their Deployment may be without progress. The last become Ready this way where no forwarder
 * runs.
 */
export function leftBehind(instances: Iterable<InstanceDigest>, now: number): Mismatch[] {
  return [...instances]
    .filter(
      instance =>
        quiet(instance, now) &&
        (!instance.observed || !instance.synced || waits(instance) || stuck(instance, now)),
    )
    .map(instance => mismatch(instance, 'drift'))
}

/** Children that do not fit what is recorded: changed, missing, unrecorded, or of nobody. */
export function childMismatches(
  children: readonly KubernetesObject[],
  instances: ReadonlyMap<string, InstanceDigest>,
  now: number,
): Mismatch[] {
  const seen = new Set(children.map(keyOf))
  const missing = [...instances.values()].filter(
    instance => quiet(instance, now) && [...instance.children.keys()].some(key => !seen.has(key)),
  )
  const wrong = children.flatMap(child => {
    const own = child.metadata.labels ?? {}
    const uid = own[labels.instanceUid]
    if (uid === undefined) return []
    const instance = instances.get(uid)
    if (instance === undefined) {
      const key = { uid, namespace: own[labels.instanceNamespace] ?? '', name: own[labels.instance] ?? '' }
      return [{ key, cause: 'orphan' as const, resourceVersion: child.metadata.resourceVersion ?? '' }]
    }
    const fits = instance.children.get(keyOf(child)) === childVersion(child.metadata)
    return fits || !quiet(instance, now) ? [] : [mismatch(instance, 'drift')]
  })
  return [...missing.map(instance => mismatch(instance, 'drift')), ...wrong]
}

/** One instance of each namespace whose standing default-deny is missing: its pass puts the policy back. */
export function unguarded(
  policies: readonly KubernetesObject[],
  instances: Iterable<InstanceDigest>,
): Mismatch[] {
  const guarded = new Set(
    policies.filter(each => each.metadata.name === defaultDenyName).map(each => each.metadata.namespace),
  )
  const first = new Map<string, InstanceDigest>()
  for (const instance of instances) {
    const [child] = instance.children.keys()
    const namespace = child?.split('/')[1]
    if (namespace !== undefined && !guarded.has(namespace) && !first.has(namespace))
      first.set(namespace, instance)
  }
  return [...first.values()].map(instance => mismatch(instance, 'drift'))
}

function rowFits(row: OpenRow | undefined, instance: InstanceDigest): boolean {
  return (
    row !== undefined &&
    row.phase === instance.phase &&
    row.reason === instance.reason &&
    row.url === instance.url &&
    row.platformInStep
  )
}

function waits({ reason }: InstanceDigest): boolean {
  return reason !== undefined && waitsForTimer(reason)
}

function stuck({ phase, changedAt }: InstanceDigest, now: number): boolean {
  return phase === 'Provisioning' && now - changedAt > progressDeadlineSeconds * 1_000
}

function quiet(instance: InstanceDigest, now: number): boolean {
  return instance.deletingSince === undefined && now - instance.changedAt > graceMs
}

function keyOf({ kind, metadata }: KubernetesObject): string {
  return `${kind}/${metadata.namespace ?? ''}/${metadata.name ?? ''}`
}

function mismatch(instance: InstanceKey & { resourceVersion?: string }, cause: Cause): Mismatch {
  const { namespace, name, uid } = instance
  return { key: { namespace, name, uid }, cause, resourceVersion: instance.resourceVersion ?? '' }
}
