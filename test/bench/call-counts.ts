import type { AuditedCall } from './audit-log.ts'

const functionOf = /^challenge-operator\/\S+ \((?<name>[^)]+)\)$/

/** What has nothing to do with a single instance: watches, the lease, the sweep's pages. */
const standing = new Set(['watch', 'list'])

export interface CallCounts {
  /** Of all functions together, for each instance. */
  total: number
  /** `reconcile get challengeinstances` → calls for each instance, most frequent first. */
  byKind: Record<string, number>
  /** Reads of the instance by reconcile: each pass begins with one. */
  passes: number
  /** Answers that were no success, by status code. */
  refusals: Record<string, number>
  /** Lease, watches and pages: not counted above. */
  standing: number
}

export function countCalls(calls: readonly AuditedCall[], instances: number): CallCounts {
  const byKind = new Map<string, number>()
  const refusals = new Map<string, number>()
  const count = (map: Map<string, number>, key: string, by: number) => map.set(key, (map.get(key) ?? 0) + by)
  let aside = 0
  for (const call of calls) {
    const name = functionOf.exec(call.userAgent)?.groups?.name
    if (name === undefined) continue
    if (standing.has(call.verb) || call.resource === 'leases') {
      aside += 1
      continue
    }
    count(byKind, `${name} ${call.verb} ${call.resource}`, 1 / instances)
    if (call.code >= 400) count(refusals, `${call.code} ${call.verb} ${call.resource}`, 1)
  }
  const sorted = [...byKind].toSorted(([, a], [, b]) => b - a)
  return {
    total: sorted.reduce((sum, [, each]) => sum + each, 0),
    byKind: Object.fromEntries(sorted),
    passes: byKind.get('reconcile get challengeinstances') ?? 0,
    refusals: Object.fromEntries(refusals),
    standing: aside,
  }
}
