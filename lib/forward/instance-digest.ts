import { createHash } from 'node:crypto'
import type { ChallengeInstance, Phase } from '../crd/challenge-instance.ts'
import { annotations, finalizer } from '../crd/group.ts'
import type { Reason } from '../reasons.ts'
import { isWatchedChild, type Watched } from './targets.ts'

export interface RecordedChild {
  kind: string
  namespace: string
  name: string
  version: string
}

/**
 * What judging an instance needs of it. With its row, three children and a pod 2.1 KB (measured over 10,000), 430 bytes
 * an object. Times in epoch milliseconds.
 */
export interface InstanceDigest {
  uid: string
  resourceVersion: string
  generation: number
  /** 0: never. */
  observedGeneration: number
  deleting: boolean
  hasFinalizer: boolean
  /** Of a `force-sync` value that `status.handledSync` does not show; undefined: nothing wanted. */
  syncWanted: string | undefined
  paused: boolean
  phase: Phase | undefined
  reason: Reason | undefined
  ready: boolean
  /** Of the `Ready` condition. */
  readyReason: string
  /** Of the `Stalled` condition while it is True. */
  stalledReason: string | undefined
  podName: string | undefined
  templateRef: string
  /** As last considered by a pass. */
  templateUid: string | undefined
  templateGeneration: number
  expiresAt: number | undefined
  /** Recorded children whose absence the table would show: no Secrets. */
  children: readonly RecordedChild[]
}

/** Gives back one and the same string for equal ones: parsed objects bring a copy of each with them. */
export type Intern = (text: string) => string

export function instanceDigest(
  { metadata, spec, status }: ChallengeInstance,
  watched: Watched,
  intern: Intern,
): InstanceDigest {
  const condition = (type: string) => status?.conditions?.find(each => each.type === type)
  const ready = condition('Ready')
  const stalled = condition('Stalled')
  const noted = metadata.annotations ?? {}
  const name = metadata.name ?? ''
  return {
    uid: metadata.uid ?? '',
    resourceVersion: metadata.resourceVersion ?? '',
    generation: metadata.generation ?? 0,
    observedGeneration: status?.observedGeneration ?? 0,
    deleting: metadata.deletionTimestamp !== undefined,
    hasFinalizer: metadata.finalizers?.includes(finalizer) === true,
    syncWanted: syncWanted(noted[annotations.forceSync], status?.handledSync),
    paused: noted[annotations.paused] === 'true',
    phase: status?.phase && (intern(status.phase) as Phase),
    reason: status?.reason && (intern(status.reason) as Reason),
    ready: ready?.status === 'True',
    readyReason: intern(ready?.reason ?? ''),
    stalledReason: stalled?.status === 'True' ? intern(stalled.reason) : undefined,
    podName: status?.podName,
    templateRef: intern(spec.templateRef),
    templateUid: status?.template && intern(status.template.uid),
    templateGeneration: status?.template?.generation ?? 0,
    expiresAt: Date.parse(status?.expiresAt ?? '') || undefined,
    children: (status?.children ?? [])
      .filter(child => isWatchedChild(child.kind, child.namespace, watched))
      .map(child => ({
        kind: intern(child.kind),
        namespace: intern(child.namespace),
        name: child.name === name ? name : child.name,
        version: child.version,
      })),
  }
}

/** The value is a user's and may be long; a digest of it tells one wish from the next as well. */
function syncWanted(wanted: string | undefined, handled: string | undefined): string | undefined {
  if (wanted === undefined || wanted === handled) return undefined
  return createHash('sha256').update(wanted).digest('hex').slice(0, 12)
}
