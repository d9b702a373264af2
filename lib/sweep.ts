import type { ChangesQueue, OutgoingChange } from './aws/queue-ports.ts'
import type { ChallengeInstance } from './crd/challenge-instance.ts'
import { apiVersion, managedBySelector } from './crd/group.ts'
import type { Kind, KubernetesObject } from './crd/objects.ts'
import { operatorError } from './errors.ts'
import type { Cluster } from './kubernetes/cluster.ts'
import { changeDeduplicationId } from './messages.ts'
import type { OpenRow, Store } from './store/store.ts'
import { type InstanceDigest, instanceDigest } from './sweep/instance-digest.ts'
import {
  childMismatches,
  leftBehind,
  type Mismatch,
  overdue,
  rowMismatches,
  slowTeardowns,
  unguarded,
} from './sweep/mismatch.ts'
import type { Log } from './telemetry/log.ts'

export interface SweepDependencies {
  cluster: Cluster
  store: Store
  changes: Pick<ChangesQueue, 'send'>
  /** Watched namespaces; `'*'` means all. */
  namespaces: readonly string[] | '*'
  /** Between two sweeps. */
  intervalSeconds: number
  /** Epoch milliseconds. */
  now: () => number
  log: Log
}

export interface Swept {
  /** Instances looked at. */
  examined: number
  /** Keys the queue accepted; what it refused is found again by the next sweep. */
  enqueued: number
}

/** `resync` also compares every child with what is recorded of it: Secrets, which nobody watches, too. */
export type Sweep = (options: { resync: boolean }, signal: AbortSignal) => Promise<Swept>

const childKinds: readonly Kind[] = [
  { apiVersion: 'apps/v1', kind: 'Deployment' },
  { apiVersion: 'v1', kind: 'Service' },
  { apiVersion: 'v1', kind: 'Secret' },
  { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' },
]

/**
 * The safety net: enqueues the keys of what does not fit, and changes nothing itself. Rows and children are read
 * before instances, so that what is created meanwhile never looks like an orphan; a list that breaks off throws, so
 * that a partial one condemns nobody.
 */
export function createSweep(deps: SweepDependencies): Sweep {
  const { cluster, store, changes, namespaces, intervalSeconds, now, log } = deps
  return async ({ resync }, signal) => {
    const rows = await openRowsByUid(store, log, signal)
    const children = resync ? await lists<KubernetesObject>(childKinds, true, signal) : []
    const instances = new Map<string, InstanceDigest>()
    for await (const page of pages<ChallengeInstance>(
      { apiVersion, kind: 'ChallengeInstance' },
      false,
      signal,
    ))
      for (const instance of page) instances.set(instance.metadata.uid ?? '', instanceDigest(instance))

    const at = now()
    const sinceMs = resync ? Number.POSITIVE_INFINITY : intervalSeconds * 1_000
    const found = [
      ...(rows ? rowMismatches(rows, instances, at) : []),
      ...overdue(instances.values(), at, sinceMs),
      ...slowTeardowns(instances.values(), at, sinceMs),
      ...(resync
        ? [
            ...leftBehind(instances.values(), at),
            ...childMismatches(children, instances, at),
            ...unguarded(children, instances.values()),
          ]
        : []),
    ]
    const outgoing = unique(found).map(each => message(each, at))
    const refused = outgoing.length === 0 ? [] : await changes.send(outgoing, signal)
    return { examined: instances.size, enqueued: outgoing.length - refused.length }
  }

  async function* pages<T extends KubernetesObject>(kind: Kind, metadataOnly: boolean, signal: AbortSignal) {
    const selection = metadataOnly ? { metadataOnly, labelSelector: managedBySelector } : {}
    const scopes = namespaces === '*' ? [{}] : namespaces.map(namespace => ({ namespace }))
    for (const scope of scopes) yield* cluster.list<T>(kind, { ...scope, ...selection }, signal)
  }

  async function lists<T extends KubernetesObject>(
    kinds: readonly Kind[],
    metadataOnly: boolean,
    signal: AbortSignal,
  ): Promise<T[]> {
    const all: T[] = []
    for (const kind of kinds)
      for await (const page of pages<T>(kind, metadataOnly, signal))
        all.push(...page.map(object => ({ ...object, kind: kind.kind })))
    return all
  }
}

/** The cluster's side is swept even while the database is away. */
async function openRowsByUid(
  store: Store,
  log: Log,
  signal: AbortSignal,
): Promise<Map<string, OpenRow> | undefined> {
  try {
    const rows = new Map<string, OpenRow>()
    for await (const page of store.openRows(signal)) for (const row of page) rows.set(row.uid, row)
    return rows
  } catch (thrown) {
    signal.throwIfAborted()
    log.warn('sweep goes on without the database', { error: operatorError(thrown) })
    return undefined
  }
}

function unique(found: readonly Mismatch[]): Mismatch[] {
  return [...new Map(found.map(each => [`${each.key.uid}/${each.cause}`, each])).values()]
}

/** The sweep's own time is what changed: a mismatch that outlives its repair is wanted again. */
function message({ key, cause, resourceVersion }: Mismatch, at: number): OutgoingChange {
  return {
    change: { v: 1, ...key, cause, resourceVersion, attempt: 0, at: new Date(at).toISOString() },
    deduplicationId: changeDeduplicationId(key.uid, cause, `sweep:${at}`),
  }
}
