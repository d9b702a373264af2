import type { KubernetesObject, ObjectMeta, StoredOfAnyScope } from '../crd/objects.ts'
import type { JsonPatchOperation } from '../kubernetes/cluster.ts'

/** Refuses the whole patch if the object changed since it was read. */
export function sameVersion({ metadata }: StoredOfAnyScope<KubernetesObject>): JsonPatchOperation {
  return { op: 'test', path: '/metadata/resourceVersion', value: metadata.resourceVersion }
}

/** Sets an annotation. On an object without annotations it sets all of them, so that patch also needs `sameVersion`. */
export function setAnnotation({ annotations }: ObjectMeta, name: string, value: string): JsonPatchOperation {
  const path = '/metadata/annotations'
  if (annotations === undefined) return { op: 'add', path, value: { [name]: value } }
  return { op: 'add', path: `${path}/${pointerPart(name)}`, value }
}

/** Removes an annotation that the object has. */
export function removeAnnotation(name: string): JsonPatchOperation {
  return { op: 'remove', path: `/metadata/annotations/${pointerPart(name)}` }
}

/** Sets a label on an object that has labels. */
export function setLabel(name: string, value: string): JsonPatchOperation {
  return { op: 'add', path: `/metadata/labels/${pointerPart(name)}`, value }
}

/** A name as a part of a JSON pointer (RFC 6901). */
function pointerPart(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}
