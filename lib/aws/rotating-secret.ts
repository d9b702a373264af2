import type { Log } from '../telemetry/log.ts'

/** A secret that is read at its first use, and again when it may have changed. */
export interface RotatingSecret {
  /** Returns the value. It is read anew after 15 minutes. @throws OperatorError if it was never read */
  value(): Promise<string>
  /** Reads anew, because `refused` was not accepted. @returns whether the secret has another value now */
  renew(refused: string): Promise<boolean>
}

export interface RotatingSecretOptions {
  /** Reads the present value, within a deadline of its own. */
  read: () => Promise<string>
  log: Log
  /** The variable that names the secret, for the log. */
  variable: string
  /** Epoch milliseconds. */
  now?: () => number
}

/** A rotation of a password without a failure, or of a key, is seen after this time. */
export const keptMs = 15 * 60_000
/** While the service is away, the last value is used, and the service is asked again after this time. */
export const retryMs = 60_000
/** A wrong password that is not going to change must not become a call for each connection. */
export const renewalPauseMs = 3_000

/**
 * Keeps the last value that was read, for as long as the process lives. Callers at the same time share one read. A read
 * that fails changes nothing that was read before: the last value stays in use, and the log says so.
 */
export function openRotatingSecret({
  read,
  log,
  variable,
  now = Date.now,
}: RotatingSecretOptions): RotatingSecret {
  let known: { value: string; readAt: number; askAgainAt: number } | undefined
  let reading: Promise<string> | undefined

  const readShared = (): Promise<string> => {
    reading ??= read()
      .then(value => {
        known = { value, readAt: now(), askAgainAt: now() + keptMs }
        return value
      })
      .catch(error => {
        if (known === undefined) throw error
        known = { ...known, askAgainAt: now() + retryMs }
        log.warn('secret not read again; the last value stays in use', { variables: [variable], error })
        return known.value
      })
      .finally(() => {
        reading = undefined
      })
    return reading
  }
  return {
    async value() {
      return known !== undefined && now() < known.askAgainAt ? known.value : readShared()
    },
    async renew(refused) {
      if (known === undefined || known.value !== refused) return true
      if (now() - known.readAt < renewalPauseMs) return false
      return (await readShared()) !== refused
    },
  }
}
