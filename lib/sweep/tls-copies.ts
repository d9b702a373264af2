import type { ExposureConfig } from '../config/exposure.ts'
import { copiedSecretName } from '../desired/identity.ts'
import { operatorError } from '../errors.ts'
import type { Cluster } from '../kubernetes/cluster.ts'
import type { Log } from '../telemetry/log.ts'
import type { NeededCopy } from './copied-secrets.ts'
import type { SweptInstance } from './swept-instance.ts'

/**
 * Returns the copies of the certificate that Ingresses need, with the version of their source. A source that may not be
 * listed ends no sweep: its copies stay as they are.
 */
export async function tlsCopies(
  { cluster, log }: { cluster: Cluster; log: Log },
  source: ExposureConfig['tlsSecret'],
  instances: Iterable<SweptInstance>,
  signal: AbortSignal,
): Promise<NeededCopy[]> {
  if (source === undefined) return []
  const places = [...instances].flatMap(instance => {
    const ingress = [...instance.children.values()].find(({ kind }) => kind === 'Ingress')
    return ingress && ingress.namespace !== source.namespace ? [{ instance, place: ingress.namespace }] : []
  })
  if (places.length === 0) return []
  const sourceVersion = await versionOf({ cluster, log }, source, signal)
  return places.map(({ instance, place }) => ({
    copy: { namespace: place, name: copiedSecretName(source, place) },
    sourceVersion,
    instance,
  }))
}

/** Lists the Secret by its name, since the sweep has no right to get one. */
async function versionOf(
  { cluster, log }: { cluster: Cluster; log: Log },
  { namespace, name }: NonNullable<ExposureConfig['tlsSecret']>,
  signal: AbortSignal,
): Promise<string | undefined> {
  const selection = { namespace, metadataOnly: true, fieldSelector: `metadata.name=${name}` }
  try {
    for await (const [found] of cluster.list({ apiVersion: 'v1', kind: 'Secret' }, selection, signal))
      if (found) return found.metadata.resourceVersion
  } catch (thrown) {
    signal.throwIfAborted()
    log.warn('certificate of Ingresses not compared', { namespace, name, error: operatorError(thrown) })
  }
  return undefined
}
