import type { ChallengeInstance } from '../../../lib/crd/challenge-instance.ts'
import type { Stored } from '../../../lib/crd/objects.ts'

/** A list as `kubectl get -o json` prints it. */
export function jsonList(instances: readonly Stored<ChallengeInstance>[]): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items: instances.map(shown) }, undefined, 2)
}

/** One line for a change, in the form of the watches of Kubernetes. */
export function jsonChange(type: 'MODIFIED' | 'DELETED', instance: Stored<ChallengeInstance>): string {
  return JSON.stringify({ type, object: shown(instance) })
}

/** `managedFields` say who wrote which field, at great length. */
function shown({ metadata, ...rest }: Stored<ChallengeInstance>) {
  const { managedFields: _, ...kept } = metadata
  return { ...rest, metadata: kept }
}
