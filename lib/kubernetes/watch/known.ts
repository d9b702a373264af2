import type { KubernetesObject, ObjectMeta } from '../../crd/objects.ts'

/** What the handlers have been told of and not told to be gone: `namespace/name` → uid, some 150 bytes an object. */
export type Known = Map<string, string>

export function keyOf({ namespace, name }: ObjectMeta): string {
  return `${namespace ?? ''}/${name ?? ''}`
}

/** Stands for an object nobody saw go: all that is known of it. */
export function vanished(key: string, uid: string): { metadata: ObjectMeta } {
  const slash = key.indexOf('/')
  const namespace = key.slice(0, slash)
  return { metadata: { ...(namespace === '' ? {} : { namespace }), name: key.slice(slash + 1), uid } }
}

/** Remembers an object. @returns the uid of a predecessor under its name, whose end was missed */
export function remember(known: Known, { metadata }: KubernetesObject): string | undefined {
  const key = keyOf(metadata)
  const uid = metadata.uid ?? ''
  const before = known.get(key)
  if (before !== uid) known.set(key, uid)
  return before === uid ? undefined : before
}

/** Forgets an object that is gone, unless a successor has its name. */
export function forget(known: Known, { metadata }: KubernetesObject): void {
  const key = keyOf(metadata)
  if (known.get(key) === metadata.uid) known.delete(key)
}
