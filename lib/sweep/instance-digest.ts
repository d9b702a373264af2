import type { ChallengeInstance } from '../crd/challenge-instance.ts'
import type { Reason } from '../reasons.ts'

/** What the sweep keeps of an instance while it compares; times in epoch milliseconds. */
export interface InstanceDigest {
  namespace: string
  name: string
  uid: string
  resourceVersion: string
  phase: string | undefined
  reason: Reason | undefined
  url: string | undefined
  synced: boolean
  /** The spec is dealt with. */
  observed: boolean
  deletingSince: number | undefined
  expiresAt: number | undefined
  /** When it last changed: a mismatch younger than a pass is no mismatch yet. */
  changedAt: number
  /** `kind/namespace/name` → version, as `status.children` records them. */
  children: ReadonlyMap<string, string>
}

export function instanceDigest({ metadata, status }: ChallengeInstance): InstanceDigest {
  const conditions = status?.conditions ?? []
  const times = [metadata.creationTimestamp, ...conditions.map(each => each.lastTransitionTime)]
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name ?? '',
    uid: metadata.uid ?? '',
    resourceVersion: metadata.resourceVersion ?? '',
    phase: status?.phase,
    reason: status?.reason,
    url: status?.url,
    synced: conditions.some(each => each.type === 'Synced' && each.status === 'True'),
    observed: status?.observedGeneration === metadata.generation,
    deletingSince: metadata.deletionTimestamp ? Date.parse(metadata.deletionTimestamp) : undefined,
    expiresAt: status?.expiresAt ? Date.parse(status.expiresAt) : undefined,
    changedAt: Math.max(...times.map(time => Date.parse(time ?? '') || 0)),
    children: new Map(
      (status?.children ?? []).map(child => [
        `${child.kind}/${child.namespace}/${child.name}`,
        child.version,
      ]),
    ),
  }
}
