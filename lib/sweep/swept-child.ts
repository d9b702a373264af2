import type { KubernetesObject, Named, NetworkPolicy, Stored, StoredMeta } from '../crd/objects.ts'
import { childVersion } from '../observed/child-version.ts'
import { isStandingPolicyName } from '../observed/policy-digest.ts'

/** The fields of a listed child that a sweep compares. A sweep holds the children of all instances at once. */
export interface SweptChild extends KubernetesObject {
  metadata: Omit<StoredMeta, 'managedFields'> & { namespace: string }
  /** See `childVersion`. */
  version: string
  /** Whether a policy that instances share says what it should; undefined for other objects. */
  intact: boolean | undefined
}

/** @param isIntact see `createIntactCheck` */
export function sweptChild(
  object: Stored<KubernetesObject>,
  isIntact: (policy: Named<NetworkPolicy>) => boolean,
): SweptChild {
  const { apiVersion, kind } = object
  const { managedFields: _, ...metadata } = object.metadata
  const isShared = kind === 'NetworkPolicy' && isStandingPolicyName(metadata.name)
  const intact = isShared ? isIntact(object as Stored<NetworkPolicy>) : undefined
  return { apiVersion, kind, metadata, version: childVersion(object), intact }
}
