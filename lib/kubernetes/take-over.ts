import { fieldManager } from '../crd/group.ts'
import type { KubernetesObject, ManagedFieldsEntry } from '../crd/objects.ts'
import type { JsonPatchOperation } from './cluster.ts'

type FieldSet = Record<string, unknown>

/** The deployment controller's own note: owned by us, the next apply would take it away. */
const foreignAnnotation = 'f:deployment.kubernetes.io/revision'

/**
 * The patch after which we alone own, by apply, every field that anybody wrote to the object itself (status and scale,
 * the subresources, stay with who wrote them): the next apply then leaves exactly what it says. Without it an apply
 * only adds, whatever our own POST, an older operator or a person's edit put there (verified). It changes nothing but
 * `managedFields`. Empty when that is so already.
 *
 * One entry, since the server knows one apply entry per manager, whatever its apiVersion; field names are the same in
 * all versions of the kinds that we write. `object` must be whole, as read.
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

/** A leaf is an empty set; everything else merges key by key. */
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
