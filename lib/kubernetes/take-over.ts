import { eachItem, foreignSpecFields, isOurLabel } from '../crd/child-fields.ts'
import { fieldManager } from '../crd/group.ts'
import type { KubernetesObject, ManagedFieldsEntry } from '../crd/objects.ts'
import type { JsonPatchOperation } from './cluster.ts'

type FieldSet = Record<string, unknown>

/**
 * Returns the patch that makes our field manager the owner of all fields of an object that are ours, by apply. The next
 * apply then leaves exactly the fields that it names, and those of others: finalizers, labels and annotations of the
 * object, and `foreignSpecFields`. Without the patch, an apply keeps every field that our own POST, an older operator or a
 * user's edit has added (verified on a real API server). The patch changes `managedFields` only.
 *
 * The fields of subresources (status, scale) stay with their managers. The result has one entry of ours, because the
 * server keeps one apply entry for each manager, in whatever apiVersion. The names of fields are the same in all versions
 * of the kinds that we write.
 * @param object the whole object as it was read
 * @returns an empty patch if we own all fields that are ours already
 */
export function takenOver(object: KubernetesObject): JsonPatchOperation[] {
  const entries = object.metadata.managedFields ?? []
  const divided = entries.map(divide)
  const taken = divided.flatMap(({ ours }) => ours ?? [])
  const kept = divided.flatMap(({ theirs }) => theirs ?? [])
  if (taken.length === 0 || (taken.length === 1 && taken.every(isOurApply))) return []
  const times = taken.flatMap(entry => entry.time ?? []).toSorted()
  const ours: ManagedFieldsEntry = {
    manager: fieldManager,
    operation: 'Apply',
    apiVersion: object.apiVersion,
    ...(times.length > 0 ? { time: times.at(-1) as string } : {}),
    fieldsType: 'FieldsV1',
    fieldsV1: taken.map(entry => entry.fieldsV1 ?? {}).reduce(union, {}),
  }
  return [
    { op: 'test', path: '/metadata/resourceVersion', value: object.metadata.resourceVersion },
    { op: 'replace', path: '/metadata/managedFields', value: [ours, ...kept] },
  ]
}

interface Divided {
  ours?: ManagedFieldsEntry
  theirs?: ManagedFieldsEntry
}

/** Divides an entry into the fields that are ours and those that stay with its manager. */
function divide(entry: ManagedFieldsEntry): Divided {
  if (entry.subresource) return { theirs: entry }
  if (entry.manager === fieldManager) return { ours: entry }
  const { ours, theirs } = divideFields(entry.fieldsV1 ?? {}, [])
  return {
    ...(ours && { ours: { ...entry, fieldsV1: ours } }),
    ...(theirs && { theirs: { ...entry, fieldsV1: theirs } }),
  }
}

function isOurApply(entry: ManagedFieldsEntry): boolean {
  return entry.manager === fieldManager && entry.operation === 'Apply'
}

interface DividedFields {
  ours: FieldSet | undefined
  theirs: FieldSet | undefined
}

/** The field of a map or item that stands for its existence. Both owners of its fields need it. */
const itself = '.'

/** @param path of the set, from the root of the object */
function divideFields(fields: FieldSet, path: readonly string[]): DividedFields {
  const ours: FieldSet = {}
  const theirs: FieldSet = {}
  for (const [key, value] of Object.entries(fields)) {
    if (key === itself) continue
    const inner = [...path, segmentOf(key)]
    if (isForeign(inner)) theirs[key] = value
    else if (Object.keys(value as FieldSet).length === 0) ours[key] = value
    else {
      const divided = divideFields(value as FieldSet, inner)
      if (divided.ours) ours[key] = divided.ours
      if (divided.theirs) theirs[key] = divided.theirs
    }
  }
  const [anyOurs, anyTheirs] = [ours, theirs].map(each => Object.keys(each).length > 0)
  const own = itself in fields ? { [itself]: fields[itself] } : {}
  return {
    ours: anyOurs || !anyTheirs ? { ...own, ...ours } : undefined,
    theirs: anyTheirs ? { ...own, ...theirs } : undefined,
  }
}

/** `f:name` is a field; `k:{…}`, `v:…` and `i:…` are items of a list. */
function segmentOf(key: string): string {
  return key.startsWith('f:') ? key.slice(2) : eachItem
}

function isForeign([root, ...path]: readonly string[]): boolean {
  if (root === 'spec')
    return foreignSpecFields.some(
      field => field.length === path.length && field.every((each, index) => each === path[index]),
    )
  const [field, name] = path
  if (root !== 'metadata') return false
  return (
    field === 'finalizers' ||
    (name !== undefined && (field === 'annotations' || (field === 'labels' && !isOurLabel(name))))
  )
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
