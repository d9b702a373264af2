import { fieldManager } from '../crd/group.ts'
import type { KubernetesObject, ManagedFieldsEntry } from '../crd/objects.ts'
import type { JsonPatchOperation } from './cluster.ts'

type FieldSet = Record<string, unknown>

/** An annotation of the deployment controller. If we owned it, our next apply would remove it. */
const foreignAnnotation = 'f:deployment.kubernetes.io/revision'

/**
 * Returns the patch that makes our field manager the only owner of all fields of an object, by apply. The next apply then
 * leaves exactly the fields that it names. Without the patch, an apply keeps every field that our own POST, an older
 * operator or a user's edit has added (verified on a real API server). The patch changes `managedFields` only.
 *
 * The fields of subresources (status, scale) stay with their managers. The result has one entry, because the server keeps
 * one apply entry for each manager, in whatever apiVersion. The names of fields are the same in all versions of the kinds
 * that we write.
 * @param object the whole object as it was read
 * @returns an empty patch if we own all fields already
 */
export function takenOver(object: KubernetesObject): JsonPatchOperation[] {
  const entries = object.metadata.managedFields ?? []
  const others = entries.filter(entry => entry.subresource)
  const written = entries.filter(entry => !entry.subresource)
  if (written.length === 0 || (written.length === 1 && written.every(isOurs))) return []
  const fieldsV1 = withoutForeign(written.map(entry => entry.fieldsV1 ?? {}).reduce(union, {}))
  const times = written.flatMap(entry => entry.time ?? []).toSorted()
  const ours: ManagedFieldsEntry = {
    manager: fieldManager,
    operation: 'Apply',
    apiVersion: object.apiVersion,
    ...(times.length > 0 ? { time: times.at(-1) as string } : {}),
    fieldsType: 'FieldsV1',
    fieldsV1,
  }
  return [
    { op: 'test', path: '/metadata/resourceVersion', value: object.metadata.resourceVersion },
    { op: 'replace', path: '/metadata/managedFields', value: [ours, ...others] },
  ]
}

function isOurs(entry: ManagedFieldsEntry): boolean {
  return entry.manager === fieldManager && entry.operation === 'Apply'
}

/** Merges two sets of fields key by key. A leaf is an empty set. */
function union(a: FieldSet, b: FieldSet): FieldSet {
  const merged: FieldSet = { ...a }
  for (const [key, value] of Object.entries(b)) {
    const present = merged[key]
    merged[key] = present === undefined ? value : union(present as FieldSet, value as FieldSet)
  }
  return merged
}

function withoutForeign(fields: FieldSet): FieldSet {
  const metadata = fields['f:metadata'] as FieldSet | undefined
  const annotations = metadata?.['f:annotations'] as FieldSet | undefined
  if (annotations?.[foreignAnnotation] === undefined) return fields
  const { [foreignAnnotation]: _, ...rest } = annotations
  return { ...fields, 'f:metadata': { ...metadata, 'f:annotations': rest } }
}
