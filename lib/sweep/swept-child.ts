import type { KubernetesObject, NetworkPolicy, Stored, StoredMeta } from '../crd/objects.ts'
import { childVersion } from '../observed/child-version.ts'
import { policyDigest } from '../observed/policy-digest.ts'

/** The fields of a listed child that a sweep compares. A sweep holds the children of all instances at once. */
export interface SweptChild extends KubernetesObject {
  metadata: Omit<StoredMeta, 'managedFields'> & { namespace: string }
  /** See `childVersion`. */
  version: string
  /** See `policyDigest`; undefined for other kinds. */
  policy: string | undefined
}

export function sweptChild(object: Stored<KubernetesObject>): SweptChild {
  const { apiVersion, kind } = object
  const { managedFields: _, ...metadata } = object.metadata
  const policy = kind === 'NetworkPolicy' ? policyDigest(object as Stored<NetworkPolicy>) : undefined
  return { apiVersion, kind, metadata, version: childVersion(object), policy }
}
