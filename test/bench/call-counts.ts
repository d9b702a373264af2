import type { AuditedCall } from './audit-log.ts'

const functionOf = /^challenge-operator\/\S+ \((?<name>[^)]+)\)$/

/** Whether a call serves no single instance: the lease, watches, and the pages of sweep and forwarder. */
function isStanding(name: string, { verb, resource }: AuditedCall): boolean {
  return resource === 'leases' || verb === 'watch' || (verb === 'list' && name !== 'reconcile')
}

export interface CallCounts {
  /** Calls of all functions for each instance. */
  total: number
  /** Calls for each instance by function, verb and resource, for example `reconcile get challengeinstances`. */
  byKind: Record<string, number>
  /** Passes for each instance. Each pass begins with one read of the instance, which is counted here. */
  passes: number
  /** Kubernetes Events that were written for each instance. They are no part of the calls. */
  kubernetesEvents: number
  /** Number of answers other than success, by status code, verb and resource. */
  refusals: Record<string, number>
  /** Calls for the lease, watches and pages, which are not counted above. */
  standing: number
}

export function countCalls(calls: readonly AuditedCall[], instances: number): CallCounts {
  const byKind = new Map<string, number>()
  const refusals = new Map<string, number>()
  const count = (map: Map<string, number>, key: string, by: number) => map.set(key, (map.get(key) ?? 0) + by)
  let aside = 0
  let events = 0
  for (const call of calls) {
    const name = functionOf.exec(call.userAgent)?.groups?.name
    if (name === undefined) continue
    if (isStanding(name, call)) {
      aside += 1
      continue
    }
    if (call.resource === 'events') {
      if (call.code < 300) events += 1
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
    kubernetesEvents: events / instances,
    refusals: Object.fromEntries(refusals),
    standing: aside,
  }
}
