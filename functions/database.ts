import { rdsToken } from '../lib/aws/rds-token.ts'
import type { DatabaseConfig } from '../lib/config/connections.ts'
import { OperatorError, operatorError } from '../lib/errors.ts'
import type { DatabaseAddress } from '../lib/store/pools.ts'
import { databaseUrlOf } from '../lib/store/secret-url.ts'
import { openSecret, type SecretAccess } from './secrets.ts'

/** Returns where the configured database is. A secret is read at the first connection, and again when it was refused. */
export function databaseAddress(
  { url, secret: reference, iam }: DatabaseConfig,
  access: SecretAccess,
): string | DatabaseAddress {
  if (reference === undefined) {
    if (url === undefined) throw new Error('the configuration names no database')
    return iam === undefined ? url : { url: async () => url, password: () => rdsToken(iam) }
  }
  const secret = openSecret(reference, access)
  let known: { text: string; url: string } | undefined
  return {
    async url() {
      const text = await secret.value().catch(thrown => {
        throw unreadable(operatorError(thrown).message, thrown)
      })
      if (known?.text !== text) {
        const composed = databaseUrlOf(text, url)
        if (typeof composed !== 'string') throw unreadable(composed.problem)
        known = { text, url: composed }
      }
      return known.url
    },
    async renew(refused) {
      return known?.url !== refused || secret.renew(known.text)
    },
  }
}

/** Workloads go on without the database, so it is an outage, whatever keeps the secret from being read. */
function unreadable(why: string, cause?: unknown): OperatorError {
  return new OperatorError('DatabaseUnavailable', `the database cannot be reached: ${why}`, { cause })
}
