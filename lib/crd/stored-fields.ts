import type { ObjectMeta } from './objects.ts'

const storedFields = ['name', 'namespace', 'uid', 'resourceVersion', 'creationTimestamp'] as const

/** The first field that every stored object of a namespaced kind has and this one lacks. */
export function missingStoredField(
  metadata: ObjectMeta | undefined,
): (typeof storedFields)[number] | undefined {
  return storedFields.find(field => !metadata?.[field])
}
