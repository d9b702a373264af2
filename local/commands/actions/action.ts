import type { ChallengeInstance } from '../../../lib/crd/challenge-instance.ts'
import type { Stored } from '../../../lib/crd/objects.ts'
import type { JsonPatchOperation } from '../../../lib/kubernetes/cluster.ts'

/** A command that does something to instances. */
export interface Action {
  /** Completes "would be …", "cannot be …" and "is …": `renewed`. */
  participle: string
  /** It is also carried out while the instance is being deleted. */
  whileDeleting?: true
  /** Decides from the instance alone, so that it decides again when the instance has changed. */
  step(instance: Stored<ChallengeInstance>): Step
}

/** What the action comes to for one instance. */
export type Step =
  | { kind: 'patch'; operations: JsonPatchOperation[]; detail: string | undefined }
  | { kind: 'delete'; detail: string | undefined }
  /** The instance is as wished, or nothing is needed. */
  | { kind: 'leave'; because: string }
  | { kind: 'refuse'; because: string }

/** What an action came to for one instance. */
export interface Result {
  instance: Stored<ChallengeInstance>
  outcome: 'done' | 'left' | 'failed'
  /** What was changed, or why nothing was. */
  detail: string | undefined
  /** The instance as the API server returned it after the change. */
  after?: Stored<ChallengeInstance>
}

/** Why nothing but its end can happen to an instance. */
export const tooLate =
  'it is too late, because the instance is being deleted; create it again when it is gone'

export function isBeingDeleted({ metadata }: Stored<ChallengeInstance>): boolean {
  return metadata.deletionTimestamp !== undefined
}

/**
 * What a new pod also brings about; undefined: nothing. An instance that waits in a roll-out takes the newer template up with
 * an edit of its spec that makes a new pod.
 */
export function alsoTakesUp({ status }: Stored<ChallengeInstance>): string | undefined {
  return status?.reason === 'RolloutWaiting'
    ? 'it also takes up the newer version of its template, for which it waits'
    : undefined
}
