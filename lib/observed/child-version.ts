import { createHash } from 'node:crypto'
import { eachItem, foreignSpecFields, isOurLabel, ourAnnotations } from '../crd/child-fields.ts'
import type { KubernetesObject, Stored } from '../crd/objects.ts'
import { canonicalJson } from '../desired/canonical.ts'

/**
 * Returns the version of a child as `status.children` records it, in three parts separated by dots.
 *
 * 1. `metadata.generation`, or `resourceVersion` if the kind has no generation.
 * 2. Eight hex digits over the uid, our labels and annotations, and the owners, because these change no generation.
 * 3. Sixteen hex digits over the fields of `spec` that are ours; absent if only the metadata were read. A Secret has no
 *    `spec`, so no hash of its values is recorded.
 *
 * `isSameVersion` compares two of them.
 */
export function childVersion(object: Stored<KubernetesObject>): string {
  const { generation, resourceVersion } = object.metadata
  const parts = [String(generation ?? resourceVersion), hash(ourMetadata(object)).slice(0, 8)]
  const { spec } = object as { spec?: unknown }
  return [...parts, ...(spec === undefined ? [] : [hash(ourSpec(spec)).slice(0, 16)])].join('.')
}

/**
 * Returns whether what is ours in a child is as recorded. A change of the first part alone is then one of another client,
 * such as an annotation of theirs. It counts only if one of the versions lacks the third part. A change of the third part alone is
 * one of the API server: every write of `spec` changes the first part, and another release of the API server may have more
 * defaults.
 *
 * The form of an earlier release had one part and hashed foreign labels and annotations too. Its first part alone is
 * compared, so that an upgrade wakes no instance.
 */
export function isSameVersion(recorded: string, seen: string): boolean {
  if (recorded === seen) return true
  const [number, metadata, spec] = recorded.split('.')
  const [numberSeen, metadataSeen, specSeen] = seen.split('.')
  if (metadata === undefined) return formerNumber(recorded) === numberSeen
  if (metadata !== metadataSeen) return false
  if (number === numberSeen) return true
  return spec !== undefined && spec === specSeen
}

/** Returns whether two states of an object are equal in everything that is ours, values of a Secret included. */
export function isSameContent(one: Stored<KubernetesObject>, other: Stored<KubernetesObject>): boolean {
  return ourContent(one) === ourContent(other)
}

function formerNumber(version: string): string | undefined {
  return version.split('-')[0]
}

function ourContent(object: Stored<KubernetesObject>): string {
  const { apiVersion: _, kind: __, metadata: ___, status: ____, ...content } = object as Whole
  const spec = content.spec === undefined ? {} : { spec: ourSpec(content.spec) }
  return canonicalJson([ourMetadata(object), { ...content, ...spec }])
}

type Whole = Stored<KubernetesObject> & { spec?: unknown; status?: unknown }

function ourMetadata({ metadata }: Stored<KubernetesObject>): unknown[] {
  const { uid, labels = {}, ownerReferences = [] } = metadata
  const ours = Object.entries(labels).filter(([name]) => isOurLabel(name))
  const annotations = ourAnnotations(metadata)
  return [
    uid,
    ours.sort(),
    ownerReferences.map(each => each.uid).sort(),
    // Most children have none, and their versions are those of releases that did not look at annotations.
    ...(annotations.length === 0 ? [] : [annotations.sort()]),
  ]
}

function ourSpec(spec: unknown): unknown {
  return foreignSpecFields.reduce(without, spec)
}

/** Returns the value without the field. A map that has no other field goes with it, since the writer may have made it. */
function without(value: unknown, [first = '', ...rest]: readonly string[]): unknown {
  if (first === eachItem) return Array.isArray(value) ? value.map(item => without(item, rest)) : value
  if (typeof value !== 'object' || value === null || !(first in value)) return value
  const { [first]: found, ...others } = value as Record<string, unknown>
  if (rest.length === 0) return others
  const left = without(found, rest)
  return isEmptyMap(left) ? others : { ...others, [first]: left }
}

function isEmptyMap(value: unknown): boolean {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0
  )
}

/** The API server writes the fields of an object in one order, so sorting them would only double the time. */
function hash(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex')
}
