import type { DesiredExposure } from '../../desired/exposure/exposure.ts'
import { tlsSecretType } from '../../desired/objects/copied-secret.ts'
import { OperatorError, operatorError } from '../../errors.ts'
import type { Converged } from './converge.ts'
import type { EnsureCopiedSecret } from './copied-secrets.ts'

/**
 * Copies the certificate of the Ingress to where the workload runs. Without it the controller answers with its default
 * certificate, so a failure keeps no workload from starting.
 * @returns the failure
 */
export async function copyTlsSecret(
  ensureCopiedSecret: EnsureCopiedSecret,
  { exposure, recheck }: { exposure: DesiredExposure | undefined; recheck: boolean },
  signal: AbortSignal,
): Promise<OperatorError | undefined> {
  const certificate = exposure?.certificate
  if (certificate === undefined || certificate.source.namespace === certificate.copy.namespace)
    return undefined
  try {
    const wanted = { ...certificate, type: tlsSecretType, refusedAs: 'ExposureUnsupported' } as const
    await ensureCopiedSecret(wanted, { recheck }, signal)
    return undefined
  } catch (thrown) {
    signal.throwIfAborted()
    const error = operatorError(thrown)
    // The Secret is the organisers' and not the template's.
    return error.reason === 'ExposureUnsupported'
      ? new OperatorError('ExposureUnsupported', `${error.message} OPERATOR_TLS_SECRET names it.`, {
          cause: thrown,
        })
      : error
  }
}

/** Players meet the default certificate of the controller until the copy is there. */
export function withUncopied(converged: Converged, failure: OperatorError | undefined): Converged {
  if (failure === undefined) return converged
  const { failures, exposing } = converged
  return { ...converged, failures: [...failures, failure], exposing: { failure, ...exposing } }
}
