import type { Ingress, KubernetesObject, Named, NetworkPolicy, Stored, StoredMeta } from '../crd/objects.ts'
import { childVersion } from '../observed/child-version.ts'
import { isStandingPolicyName } from '../observed/policy-digest.ts'

/** The fields of a listed child that a sweep compares. A sweep holds the children of all instances at once. */
export interface SweptChild extends KubernetesObject {
  metadata: Omit<StoredMeta, 'managedFields'> & { namespace: string }
  /** See `childVersion`. */
  version: string
  /** Whether a policy that instances share says what it should; undefined for other objects. */
  intact: boolean | undefined
  /** The Secret with the certificate of an Ingress, `noCertificate` if it names none; undefined: no Ingress, or one that takes no TLS. */
  certificate: string | undefined
}

/** Stands for a Secret where an Ingress takes TLS and names none. No Secret has this name, since it has a space. */
export const noCertificate = 'no certificate'

/** @param isIntact see `createIntactCheck` */
export function sweptChild(
  object: Stored<KubernetesObject>,
  isIntact: (policy: Named<NetworkPolicy>) => boolean,
): SweptChild {
  const { apiVersion, kind } = object
  const { managedFields: _, ...metadata } = object.metadata
  const isShared = kind === 'NetworkPolicy' && isStandingPolicyName(metadata.name)
  const intact = isShared ? isIntact(object as Stored<NetworkPolicy>) : undefined
  const certificate = certificateOf(object)
  return { apiVersion, kind, metadata, version: childVersion(object), intact, certificate }
}

/** Returns the Secret that an Ingress names, `noCertificate` where it names none; undefined for what takes no TLS. */
export function certificateOf(object: KubernetesObject): string | undefined {
  if (object.kind !== 'Ingress') return undefined
  const [tls] = (object as Ingress).spec.tls ?? []
  return tls && (tls.secretName ?? noCertificate)
}
