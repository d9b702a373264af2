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
