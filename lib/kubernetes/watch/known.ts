import type { GoneObject, KubernetesObject, Stored } from '../../crd/objects.ts'

/** The objects that the handlers know to exist: `namespace/name` → uid, some 150 bytes an object. */
export type Known = Map<string, string>

export function keyOf({ namespace, name }: GoneObject['metadata']): string {
  return `${namespace}/${name}`
}

/** Stands for an object whose end was missed: nothing else is known of it. */
export function vanished(key: string, uid: string): GoneObject {
  const slash = key.indexOf('/')
  return { metadata: { namespace: key.slice(0, slash), name: key.slice(slash + 1), uid } }
}

/** Remembers an object. @returns the uid of a predecessor under its name whose end was missed */
export function remember(known: Known, { metadata }: Stored<KubernetesObject>): string | undefined {
  const key = keyOf(metadata)
  const before = known.get(key)
  if (before !== metadata.uid) known.set(key, metadata.uid)
  return before === metadata.uid ? undefined : before
}

/** Forgets an object that is gone, unless a successor has its name. */
export function forget(known: Known, { metadata }: Stored<KubernetesObject>): void {
  const key = keyOf(metadata)
  if (known.get(key) === metadata.uid) known.delete(key)
}
