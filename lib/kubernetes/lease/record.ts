import type { KubernetesObject, ObjectMeta } from '../../crd/objects.ts'

/** coordination.k8s.io/v1, as client-go's leader election writes it. Times are RFC 3339 with microseconds. */
export interface Lease extends KubernetesObject {
  metadata: ObjectMeta
  spec?: {
    holderIdentity?: string
    leaseDurationSeconds?: number
    acquireTime?: string
    renewTime?: string
    leaseTransitions?: number
  }
}

export const leaseKind = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' } as const

/** client-go's proportions; duration and renewal are promised in docs/operations.md. */
export const leaseTimes = {
  /** A lease that was not renewed for so long may be taken. */
  durationMs: 15_000,
  renewMs: 5_000,
  retryMs: 2_000,
  /** A holder that cannot renew for so long says so. */
  deadlineMs: 10_000,
}

export type LeaseTimes = typeof leaseTimes

export function holderOf(lease: Lease | undefined): string {
  return lease?.spec?.holderIdentity ?? ''
}

/** The lease in our hands from now on, or still. `now` in epoch milliseconds. */
export function heldBy(identity: string, lease: Lease, durationMs: number, now: number): Lease {
  const { spec = {} } = lease
  const time = microTime(now)
  const renewal = { leaseDurationSeconds: Math.ceil(durationMs / 1000), renewTime: time }
  if (spec.holderIdentity === identity) return { ...lease, spec: { ...spec, ...renewal } }
  const transitions = spec.leaseTransitions === undefined ? 0 : spec.leaseTransitions + 1
  const acquired = { holderIdentity: identity, acquireTime: time, leaseTransitions: transitions }
  return { ...lease, spec: { ...spec, ...renewal, ...acquired } }
}

/** Nobody's: whoever stands by may take it at once. */
export function released(lease: Lease, now: number): Lease {
  const time = microTime(now)
  const spec = {
    ...lease.spec,
    holderIdentity: '',
    leaseDurationSeconds: 1,
    renewTime: time,
    acquireTime: time,
  }
  return { ...lease, spec }
}

/** How long until the lease may be taken, in milliseconds. `observedAt`: when its present version was first seen, by our clock. */
export function takeableIn(lease: Lease | undefined, observedAt: number, now: number): number {
  if (holderOf(lease) === '') return 0
  const duration = (lease?.spec?.leaseDurationSeconds ?? 0) * 1000
  return Math.max(0, observedAt + duration - now)
}

function microTime(now: number): string {
  return new Date(now).toISOString().replace('Z', '000Z')
}
