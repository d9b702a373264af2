import { createHash } from 'node:crypto'
import { annotations as annotationNames } from '../crd/group.ts'
import type { ObjectMeta, StoredMeta } from '../crd/objects.ts'

/** The deployment controller writes its revision under this prefix on every rollout. That is no drift. */
const ignoredAnnotationPrefix = 'deployment.kubernetes.io/'

/** Our note that the refused pods were tried again is no drift either. */
const ignoredAnnotations: ReadonlySet<string> = new Set([annotationNames.triedAgain])

/**
 * Returns the version of a child as `status.children` records it: `metadata.generation`, or `resourceVersion` if the kind
 * has no generation, and eight hex digits over labels and annotations, because these change no generation.
 */
export function childVersion(metadata: StoredMeta): string {
  return `${metadata.generation ?? metadata.resourceVersion}-${metadataHash(metadata)}`
}

function metadataHash(metadata: ObjectMeta): string {
  const annotations = Object.entries(metadata.annotations ?? {}).filter(
    ([name]) => !name.startsWith(ignoredAnnotationPrefix) && !ignoredAnnotations.has(name),
  )
  const sorted = [Object.entries(metadata.labels ?? {}).sort(), annotations.sort()]
  return createHash('sha256').update(JSON.stringify(sorted)).digest('hex').slice(0, 8)
}
