import type { GoneObject, KubernetesObject, Stored } from '../../crd/objects.ts'

/** The objects that were reported to the handlers and are not gone: `namespace/name` → uid. Some 150 bytes an object. */
export type Known = Map<string, string>

export function keyOf({ namespace, name }: GoneObject['metadata']): string {
  return `${namespace}/${name}`
}

/** The object of a missed DELETED event. Nothing else is known of it. */
export function vanished(key: string, uid: string): GoneObject {
  const slash = key.indexOf('/')
  return { metadata: { namespace: key.slice(0, slash), name: key.slice(slash + 1), uid } }
}

/** Remembers an object. @returns the uid of a predecessor under its name whose DELETED event was missed */
export function remember(known: Known, { metadata }: Stored<KubernetesObject>): string | undefined {
  const key = keyOf(metadata)
  const before = known.get(key)
  if (before !== metadata.uid) known.set(key, metadata.uid)
  return before === metadata.uid ? undefined : before
}

/** Forgets an object that is gone. A successor under its name stays. */
export function forget(known: Known, { metadata }: Stored<KubernetesObject>): void {
  const key = keyOf(metadata)
  if (known.get(key) === metadata.uid) known.delete(key)
}
