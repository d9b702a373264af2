import type { Placement } from '../../lib/crd/challenge-template.ts'
import { apiVersion, finalizer } from '../../lib/crd/group.ts'
import { collectionPath } from '../../lib/kubernetes/client/paths.ts'
import type { BareClient } from './bare-client.ts'
import { instance, operated } from './sample.ts'

/** Creates an instance for the operator. Each has another team. */
export type Create = (name: string, signal: AbortSignal) => Promise<unknown>

/** API calls of the operator for a new instance that came with its finalizer, until children and status are written. */
export const callsUntilApplied: Record<Placement, number> = { Shared: 6, Event: 6, Instance: 12 }

/** The operator adds a missing finalizer by one call more. */
export const callsForFinalizer = 1

/** Two ways to create an instance: with the finalizer, as a platform's backend does, and without it, as kubectl does. */
export interface Creator {
  withFinalizer: Create
  withoutFinalizer: Create
}

export function creator(bare: BareClient): Creator {
  const path = collectionPath({ apiVersion, kind: 'ChallengeInstance' }, operated)
  let teamId = 0
  const post =
    (change: (made: ReturnType<typeof instance>) => unknown): Create =>
    (name, signal) => {
      teamId += 1
      return bare.call('POST', path, JSON.stringify(change(instance(operated, name, teamId))), signal)
    }
  return { withFinalizer: post(finalized), withoutFinalizer: post(plain => plain) }
}

/** The instance with the operator's finalizer, as it looks from its creation or its first pass on. */
export function finalized(plain: ReturnType<typeof instance>): ReturnType<typeof instance> {
  return { ...plain, metadata: { ...plain.metadata, finalizers: [finalizer] } }
}
