import { openRotatingSecret, type RotatingSecret } from '../lib/aws/rotating-secret.ts'
import type { ReadSecret } from '../lib/aws/secret-reader.ts'
import type { SecretReference } from '../lib/config/secret-reference.ts'
import type { Log } from '../lib/telemetry/log.ts'

/** What the secrets of a function are read with. */
export interface SecretAccess {
  read: ReadSecret
  log: Log
  /** Epoch milliseconds. */
  now?: () => number
}

/** Opens a secret that is read at its first use. */
export function openSecret(
  reference: SecretReference,
  { read, log, now = Date.now }: SecretAccess,
): RotatingSecret {
  return openRotatingSecret({
    read: () => read(reference),
    log,
    now,
    variable: `${reference.variable}_SECRET_ARN`,
  })
}

/**
 * Returns the value in the text of a secret. The console of AWS writes secrets as JSON with names of their own, unless it is
 * told not to.
 * @throws Error for JSON without the variable
 */
export function valueIn(text: string, { variable }: SecretReference): string {
  if (!text.trimStart().startsWith('{')) return text.trim()
  try {
    const value = (JSON.parse(text) as Record<string, unknown>)[variable]
    if (typeof value === 'string' && value !== '') return value
  } catch {
    // A value may begin with a brace.
    return text.trim()
  }
  throw new Error(`the secret of ${variable}_SECRET_ARN is JSON without ${variable}; write the value alone`)
}
