import { annotations } from '../crd/group.ts'
import type { KubernetesObject } from '../crd/objects.ts'
import type { SecretName } from '../desired/objects/copied-secret.ts'
import { drift, type Mismatch, unchangedForGrace } from './mismatch.ts'
import type { SweptInstance } from './swept-instance.ts'

/** A copy of a Secret that a running instance needs. */
export interface NeededCopy {
  copy: SecretName
  /** resourceVersion of the source; undefined: there is no source, so the copy cannot be compared. */
  sourceVersion: string | undefined
  instance: SweptInstance
}

/**
 * Returns one instance for each copy that is missing or behind its source. The pass of that instance copies the Secret
 * anew.
 * @param listed Secrets of a resync; those that are no copies do not matter
 */
export function outdatedCopies(
  needed: Iterable<NeededCopy>,
  listed: readonly KubernetesObject[],
  now: number,
): Mismatch[] {
  const versions = new Map(
    listed
      .filter(({ kind, metadata }) => kind === 'Secret' && metadata.annotations?.[annotations.copiedVersion])
      .map(({ metadata }) => [keyOf(metadata), metadata.annotations?.[annotations.copiedVersion]]),
  )
  const first = new Map<string, SweptInstance>()
  for (const { copy, sourceVersion, instance } of needed) {
    const key = keyOf(copy)
    if (sourceVersion === undefined || versions.get(key) === sourceVersion || first.has(key)) continue
    if (unchangedForGrace(instance, now)) first.set(key, instance)
  }
  return [...first.values()].map(drift)
}

function keyOf({ namespace = '', name = '' }: { namespace?: string; name?: string }): string {
  return `${namespace}/${name}`
}
