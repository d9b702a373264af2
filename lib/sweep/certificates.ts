import { isManaged, labels } from '../crd/group.ts'
import type { KubernetesObject } from '../crd/objects.ts'
import type { SecretName } from '../desired/objects/copied-secret.ts'
import { isMarkedOfLate } from '../desired/unused.ts'
import { drift, type Mismatch, unchangedForGrace } from './mismatch.ts'
import { certificateOf, noCertificate, type SweptChild } from './swept-child.ts'
import type { SweptInstance } from './swept-instance.ts'

/** The most Ingresses that a resync has changed, so that thousands of them do not fill the queue at once. */
const perResync = 500

/** Returns the Secret that an object names as its certificate, as `namespace/name`. */
export function namedCertificate(object: KubernetesObject): string[] {
  const name = certificateOf(object)
  const { namespace } = object.metadata
  return name === undefined || name === noCertificate || !namespace ? [] : [keyOf({ namespace, name })]
}

/**
 * Returns the copies of a certificate that no Ingress names. One that was marked as unused is left out until it has been
 * unused for `unusedMs`. Secrets have to be read before the Ingresses.
 * @param named see `namedCertificate`, of the Ingresses of all operators
 */
export function unusedCertificates(
  children: readonly SweptChild[],
  named: ReadonlySet<string>,
  now: number,
): SweptChild[] {
  return children
    .filter(({ kind, metadata }) => kind === 'Secret' && metadata.labels?.[labels.certificate] !== undefined)
    .filter(({ metadata }) => isManaged(metadata) && !named.has(keyOf(metadata)))
    .filter(({ metadata }) => !isMarkedOfLate(metadata, now))
}

/**
 * Returns instances whose Ingress names no certificate although there is one by now, or names the certificate in its own
 * namespace although that is gone. Their passes write it anew.
 * @param exists undefined: it is not known
 */
export function wrongCertificates(
  children: readonly SweptChild[],
  instances: ReadonlyMap<string, SweptInstance>,
  { source, exists, now }: { source: SecretName | undefined; exists: boolean | undefined; now: number },
): Mismatch[] {
  if (source === undefined || exists === undefined) return []
  const isWrong = ({ metadata, certificate }: SweptChild) =>
    exists
      ? certificate === noCertificate
      : certificate === source.name && metadata.namespace === source.namespace
  return children
    .filter(isWrong)
    .flatMap(({ metadata }) => instances.get(metadata.labels?.[labels.instanceUid] ?? '') ?? [])
    .filter(instance => unchangedForGrace(instance, now))
    .slice(0, perResync)
    .map(drift)
}

function keyOf({ namespace, name }: SecretName): string {
  return `${namespace}/${name}`
}
