import type { KubernetesObject, NetworkPolicy, Stored, StoredMeta } from '../crd/objects.ts'
import type { PolicySettings } from '../desired/objects/network-policy.ts'
import { childVersion } from '../observed/child-version.ts'
import { isIntact, isStandingPolicyName } from '../observed/policy-digest.ts'

/** The fields of a listed child that a sweep compares. A sweep holds the children of all instances at once. */
export interface SweptChild extends KubernetesObject {
  metadata: Omit<StoredMeta, 'managedFields'> & { namespace: string }
  /** See `childVersion`. */
  version: string
  /** Whether a policy that instances share says what it should; undefined for other objects. */
  intact: boolean | undefined
}

/** @param settings that policies should be built with */
export function sweptChild(object: Stored<KubernetesObject>, settings: PolicySettings): SweptChild {
  const { apiVersion, kind } = object
  const { managedFields: _, ...metadata } = object.metadata
  const isShared = kind === 'NetworkPolicy' && isStandingPolicyName(metadata.name)
  const intact = isShared ? isIntact(object as Stored<NetworkPolicy>, settings) : undefined
  return { apiVersion, kind, metadata, version: childVersion(object), intact }
}
