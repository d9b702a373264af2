import type { ExposureConfig } from '../config/exposure.ts'
import { copiedSecretName } from '../desired/identity.ts'
import { operatorError } from '../errors.ts'
import type { Cluster } from '../kubernetes/cluster.ts'
import type { Log } from '../telemetry/log.ts'
import type { NeededCopy } from './copied-secrets.ts'
import { secretVersion } from './secret-version.ts'
import type { SweptInstance } from './swept-instance.ts'

/** What a resync finds out about the certificate of Ingresses. */
export interface TlsCopies {
  /** The copies that Ingresses need, with the version of their source. */
  needed: NeededCopy[]
  /** Whether the source exists; undefined: nothing asked for it, or it may not be listed. */
  exists: boolean | undefined
}

/** A source that may not be listed ends no sweep: its copies stay as they are. */
export async function tlsCopies(
  { cluster, log }: { cluster: Cluster; log: Log },
  source: ExposureConfig['tlsSecret'],
  instances: Iterable<SweptInstance>,
  signal: AbortSignal,
): Promise<TlsCopies> {
  if (source === undefined) return { needed: [], exists: undefined }
  const places = [...instances].flatMap(instance => {
    const ingress = [...instance.children.values()].find(({ kind }) => kind === 'Ingress')
    return ingress ? [{ instance, place: ingress.namespace }] : []
  })
  if (places.length === 0) return { needed: [], exists: undefined }
  const found = await versionOf({ cluster, log }, source, signal)
  if (found === 'missing')
    log.warn('certificate of Ingresses is missing', { ...source, ingresses: places.length })
  const sourceVersion = found === 'missing' || found === 'unknown' ? undefined : found.version
  const needed = places
    .filter(({ place }) => place !== source.namespace)
    .map(({ instance, place }) => ({
      copy: { namespace: place, name: copiedSecretName(source, place) },
      sourceVersion,
      instance,
    }))
  return { needed, exists: found === 'unknown' ? undefined : found !== 'missing' }
}

async function versionOf(
  { cluster, log }: { cluster: Cluster; log: Log },
  source: NonNullable<ExposureConfig['tlsSecret']>,
  signal: AbortSignal,
): Promise<{ version: string } | 'missing' | 'unknown'> {
  try {
    const version = await secretVersion(cluster, source, signal)
    return version === undefined ? 'missing' : { version }
  } catch (thrown) {
    signal.throwIfAborted()
    log.warn('certificate of Ingresses not compared', { ...source, error: operatorError(thrown) })
    return 'unknown'
  }
}
