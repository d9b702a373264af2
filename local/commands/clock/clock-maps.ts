import { clockProblem, followsSource, keptState } from '../../../lib/clock/kept.ts'
import { clockName, clockStateName } from '../../../lib/clock/state.ts'
import type { ConfigMap, Stored } from '../../../lib/crd/objects.ts'
import type { Cluster } from '../../../lib/kubernetes/cluster.ts'
import { sameVersion } from '../../../lib/reconcile/json-patch.ts'
import type { StoredClock } from './edit.ts'

export interface ReadClock extends StoredClock {
  order: Stored<ConfigMap> | undefined
  /** The operator has looked at the ConfigMap of organisers as it is. */
  looked: boolean
  /** Why the operator does not follow it, as it said when it looked last. */
  problem: string | undefined
}

/** Reads what organisers wrote, and the state that the operator keeps. */
export async function readClock(
  cluster: Cluster,
  namespace: string,
  signal: AbortSignal,
): Promise<ReadClock> {
  const [order, kept] = await Promise.all(
    [clockName, clockStateName].map(name => cluster.get<ConfigMap>(referenceTo(namespace, name), signal)),
  )
  return {
    order,
    state: kept && (keptState(kept) ?? 'unreadable'),
    looked: kept === undefined ? order === undefined : followsSource(kept, order),
    problem: kept && clockProblem(kept),
  }
}

/** @returns 'conflict' if somebody else wrote it since it was read */
export async function writeClock(
  cluster: Cluster,
  { namespace, order }: { namespace: string; order: Stored<ConfigMap> | undefined },
  data: Record<string, string>,
  signal: AbortSignal,
): Promise<'written' | 'conflict'> {
  if (order === undefined) {
    const metadata = { name: clockName, namespace }
    const created = await cluster.create<ConfigMap & { metadata: typeof metadata }>(
      { apiVersion: 'v1', kind: 'ConfigMap', metadata, data },
      signal,
    )
    return created === 'exists' ? 'conflict' : 'written'
  }
  const operations =
    order.data === undefined
      ? [{ op: 'add' as const, path: '/data', value: data }]
      : Object.entries(data).map(([key, value]) => ({ op: 'add' as const, path: `/data/${key}`, value }))
  const reference = referenceTo(namespace, clockName)
  const patched = await cluster.patchJson(reference, [sameVersion(order), ...operations], signal)
  return patched === undefined || patched === 'conflict' ? 'conflict' : 'written'
}

function referenceTo(namespace: string, name: string) {
  return { apiVersion: 'v1', kind: 'ConfigMap', namespace, name }
}
