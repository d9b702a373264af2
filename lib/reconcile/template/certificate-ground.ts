import { remember } from '../../bounded-cache.ts'
import type { OperatorConfig } from '../../config/operator.ts'
import type { Secret } from '../../crd/objects.ts'
import type { ExposureGround } from '../../desired/exposure/exposure.ts'
import { copiedSecretName } from '../../desired/identity.ts'
import { isCopyOf, type SecretName, tlsSecretType } from '../../desired/objects/copied-secret.ts'
import { trustMs } from '../../desired/unused.ts'
import { operatorError } from '../../errors.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'

/** Namespaces of workloads for which the answer is remembered. */
const memoryLimit = 1_000

export interface CertificateQuestion {
  /** Where the workload, and so the Ingress, is. */
  namespace: string
  /** Asks the cluster even if the certificate was found a short time ago. */
  recheck: boolean
}

export type ReadCertificateGround = (
  question: CertificateQuestion,
  signal: AbortSignal,
) => Promise<ExposureGround['certificate']>

/**
 * Creates what finds out whether an Ingress can name the certificate of `OPERATOR_TLS_SECRET`: it exists, or a copy of an
 * earlier day is left. One that was found is trusted for a while (`trustMs`), so that it costs no call for each instance.
 */
export function createCertificateGround({
  cluster,
  config,
  now,
}: {
  cluster: Cluster
  config: OperatorConfig
  /** Epoch milliseconds. */
  now: () => number
}): ReadCertificateGround {
  const { tlsSecret: source } = config.exposure
  /** Of the source, which serves all namespaces, and of copies of one that is gone. */
  let sourceUntil = 0
  const copyUntil = new Map<string, number>()

  return async ({ namespace, recheck }, signal) => {
    if (source === undefined) return 'unknown'
    const trustedUntil = Math.max(sourceUntil, copyUntil.get(namespace) ?? 0)
    if (!recheck && trustedUntil > now()) return 'exists'
    const until = now() + trustMs
    const usable = await isUsable(source, signal)
    sourceUntil = usable ? until : 0
    if (usable) return 'exists'
    const copied = await isCopied(source, namespace, signal)
    if (copied) remember(copyUntil, memoryLimit, namespace, until)
    else copyUntil.delete(namespace)
    return copied ? 'exists' : 'missing'
  }

  /** A Secret of another type, or one that may not be read, is none. The copying that follows says what is wrong. */
  async function isUsable({ namespace, name }: SecretName, signal: AbortSignal): Promise<boolean> {
    try {
      const found = await cluster.get<Secret>({ ...secretKind, namespace, name }, signal)
      return found?.type === tlsSecretType
    } catch (thrown) {
      signal.throwIfAborted()
      if (operatorError(thrown).reason !== 'Forbidden') throw thrown
      return false
    }
  }

  async function isCopied(source: SecretName, namespace: string, signal: AbortSignal): Promise<boolean> {
    if (source.namespace === namespace) return false
    const name = copiedSecretName(source, namespace)
    const copy = await cluster.getMetadata({ ...secretKind, namespace, name }, signal)
    return copy !== undefined && isCopyOf(copy, source)
  }
}

const secretKind = { apiVersion: 'v1', kind: 'Secret' } as const
