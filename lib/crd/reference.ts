import type { KubernetesObject, Named, NamespacedReference, ObjectReference } from './objects.ts'

/** @throws Error for an object without a name */
export function referenceTo(object: Named<KubernetesObject>): NamespacedReference
export function referenceTo(object: KubernetesObject): ObjectReference
export function referenceTo({ apiVersion, kind, metadata }: KubernetesObject): ObjectReference {
  const { namespace, name } = metadata
  if (name === undefined) throw new Error(`a ${kind} without a name cannot be referred to`)
  return { apiVersion, kind, name, ...(namespace === undefined ? {} : { namespace }) }
}

/** `kind/namespace/name`: names a child of an instance in maps, logs and messages. */
export function childKey(child: { kind: string; namespace: string; name: string }): string {
  return `${child.kind}/${child.namespace}/${child.name}`
}

/** `childKey` of an object. */
export function keyOfObject({ kind, metadata }: Named<KubernetesObject>): string {
  return childKey({ kind, namespace: metadata.namespace, name: metadata.name })
}
