import { retryMs } from '../lib/aws/rotating-secret.ts'
import type { OperatorConfig } from '../lib/config/operator.ts'
import type { SecretReference } from '../lib/config/secret-reference.ts'
import { headersIn } from '../lib/config/tracing.ts'
import type { HeaderSource, TraceHeaders, Tracer } from '../lib/telemetry/span.ts'
import { openTracer } from '../lib/telemetry/tracer.ts'
import { openSecret, type SecretAccess, valueIn } from './secrets.ts'

/** Opens the tracer of a function, with headers from a secret where the configuration names one. */
export function functionTracer(
  service: string,
  { tracing: { endpoint, headers, headersSecret } }: Pick<OperatorConfig, 'tracing'>,
  access: SecretAccess,
): Tracer | undefined {
  return openTracer(service, {
    endpoint,
    headers: headersSecret === undefined ? headers : secretHeaders(headersSecret, access),
  })
}

/** Reads headers from a secret. A secret that cannot be read is asked for again after a minute, and the log says so. */
export function secretHeaders(reference: SecretReference, access: SecretAccess): HeaderSource {
  const { log, now = Date.now } = access
  const secret = openSecret(reference, access)
  let used: string | undefined
  let failed: { error: unknown; until: number } | undefined
  return {
    async read() {
      if (failed !== undefined && now() < failed.until) throw failed.error
      try {
        used = await secret.value()
        const headers = headersOf(used, reference)
        failed = undefined
        return headers
      } catch (error) {
        failed = { error, until: now() + retryMs }
        log.warn('headers for the receiver of traces not read; spans are lost', {
          variables: [`${reference.variable}_SECRET_ARN`],
          error,
        })
        throw error
      }
    },
    renew: async () => used !== undefined && secret.renew(used),
  }
}

/** @throws Error that names the secret, and no value */
export function headersOf(text: string, reference: SecretReference): TraceHeaders {
  const headers = headersIn(valueIn(text, reference))
  if (headers !== undefined) return headers
  throw new Error(
    `the secret of ${reference.variable}_SECRET_ARN is no list of headers; write name=value, with commas between several`,
  )
}
