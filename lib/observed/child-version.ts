import { createHash } from 'node:crypto'
import type { ObjectMeta, StoredMeta } from '../crd/objects.ts'

/** The deployment controller writes its revision here on every rollout; it is not drift. */
const ignoredAnnotationPrefix = 'deployment.kubernetes.io/'

/**
 * A child's version as `status.children` records it: `metadata.generation` where the kind has one, else
 * `resourceVersion`, plus eight hex digits over labels and annotations, which change no generation.
 */
export function childVersion(metadata: StoredMeta): string {
  return `${metadata.generation ?? metadata.resourceVersion}-${metadataHash(metadata)}`
}

function metadataHash(metadata: ObjectMeta): string {
  const annotations = Object.entries(metadata.annotations ?? {}).filter(
    ([name]) => !name.startsWith(ignoredAnnotationPrefix),
  )
  const sorted = [Object.entries(metadata.labels ?? {}).sort(), annotations.sort()]
  return createHash('sha256').update(JSON.stringify(sorted)).digest('hex').slice(0, 8)
}
