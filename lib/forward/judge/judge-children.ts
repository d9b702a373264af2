import { exposedServiceName } from '../../desired/identity.ts'
import { isSameVersion } from '../../observed/child-version.ts'
import { contestEndsAt, pausedUntil } from '../../observed/repairs.ts'
import type { InstanceDigest, RecordedChild } from '../table/instance-digest.ts'
import type { Dependent, Row } from '../table/row.ts'
import type { DifferingChild } from './mismatch.ts'
import type { Verdict, Wake } from './verdict.ts'

/** The status write follows the last child's write within milliseconds. A slow API server takes a second. */
const echoMs = 1_000

/** The last events of a teardown come from several watches. Those of children may arrive after the instance's own. */
const lastEventsMs = 2_000

/**
 * Finds children that differ from `status.children`: absent, of another version, or not recorded at all. A child that
 * something else keeps changing counts when its next repair is due, and when its burst is over.
 */
export function childrenUnrecorded(row: Row, instance: InstanceDigest, now: number): Verdict {
  const differing: DifferingChild[] = []
  let dueAt = Number.POSITIVE_INFINITY
  let contestOver = false
  for (const recorded of instance.children) {
    const { repairs } = recorded
    const seen = lookUp(row, recorded)
    if (seen === undefined && !recorded.isWatched) continue
    const differs = seen === undefined || !isSameVersion(recorded.version, seen.version)
    const at = differs ? pausedUntil(repairs) : contestEndsAt(repairs)
    if (at === undefined) continue
    if (at > now) dueAt = Math.min(dueAt, at)
    else if (differs) differing.push({ recorded, seen })
    else contestOver = true
  }
  const wake = unrecorded(row, instance, differing) ?? (contestOver ? contestEnded(instance) : undefined)
  return { wake, dueAt: dueAt === Number.POSITIVE_INFINITY ? undefined : dueAt }
}

function lookUp(row: Row, { kind, namespace, name }: RecordedChild): Dependent | undefined {
  return row.dependents.find(each => each.kind === kind && each.name === name && each.namespace === namespace)
}

function contestEnded({ uid, resourceVersion }: InstanceDigest): Wake {
  const mismatch = { kind: 'contest-over' } as const
  return { uid, cause: 'child', mismatch, readVersions: [resourceVersion], resourceVersion, delayMs: 0 }
}

function unrecorded(
  row: Row,
  instance: InstanceDigest,
  differing: readonly DifferingChild[],
): Wake | undefined {
  const { uid, resourceVersion } = instance
  const leftovers = row.dependents.filter(
    each => isLeftover(each, instance) && each.ownerUid === uid && isNamedAfter(each, row),
  )
  if (differing.length === 0 && leftovers.length === 0) return undefined
  const readVersions = [
    ...differing.map(({ seen }) => seen?.resourceVersion ?? '-'),
    ...leftovers.map(each => each.resourceVersion),
    resourceVersion,
  ]
  const mismatch = { kind: 'children', differing, unrecorded: leftovers } as const
  return { uid, cause: 'child', mismatch, readVersions, resourceVersion, delayMs: echoMs }
}

/** Finds children whose instance is gone: all of a row without an instance, or those of a predecessor. */
export function orphaned(row: Row, instance: InstanceDigest | undefined): Wake | undefined {
  const first = row.dependents.find(
    each => isLeftover(each, instance) && each.ownerUid !== undefined && each.ownerUid !== instance?.uid,
  )
  if (first?.ownerUid === undefined) return undefined
  const { ownerUid: uid, resourceVersion } = first
  const children = row.dependents.filter(each => isLeftover(each, instance) && each.ownerUid === uid)
  const readVersions = children.map(each => each.resourceVersion)
  const mismatch = { kind: 'orphans', children } as const
  const workloadNamespace = namespaceElsewhere(row, children)
  return {
    uid,
    cause: 'orphan',
    mismatch,
    readVersions,
    resourceVersion,
    delayMs: lastEventsMs,
    workloadNamespace,
  }
}

/** Returns the namespace of children that do not lie beside their instance. */
export function namespaceElsewhere(row: Row, children: readonly { namespace: string }[]): string | undefined {
  return children.find(({ namespace }) => namespace !== row.namespace)?.namespace
}

/** Whether a child is recorded by no status and is not being deleted. Pods are deleted with their Deployment. */
function isLeftover(each: Dependent, instance: InstanceDigest | undefined): boolean {
  if (each.kind === 'Pod' || each.deleting) return false
  return !instance?.children.some(
    ({ kind, namespace, name }) => kind === each.kind && name === each.name && namespace === each.namespace,
  )
}

/**
 * Whether a child's name follows from the instance's name. A copy that a user made under another name carries our
 * labels too, and no pass would remove it.
 */
function isNamedAfter(each: Dependent, row: Row): boolean {
  return (
    each.name === row.name ||
    each.name.startsWith(`${row.name}-`) ||
    each.name === exposedServiceName(row.name)
  )
}
