import { createHmac, scryptSync } from 'node:crypto'
import type { OperatorConfig } from '../../config/operator.ts'

type Keys = Pick<OperatorConfig, 'flagSecret' | 'flagHmacPepper'>

/** Separates this use of the secret from its other uses. */
const purpose = 'challenge-operator/flag-fingerprint/v1'

/** Bytes. */
const length = 16

/**
 * Returns 32 hex digits that change with the flag. They reveal nothing of it to a user who may read Deployments and
 * statuses and no Secrets. A plain hash of a static flag could be found with a word list, so the hash is keyed with
 * FLAG_SECRET, or else with FLAG_HMAC_PEPPER. Without either, scrypt with the instance's uid as salt makes each guess
 * slow: about 40 ms, which each pass takes too.
 */
export function flagFingerprint(flag: string, uid: string, { flagSecret, flagHmacPepper }: Keys): string {
  const secret = flagSecret ?? flagHmacPepper
  if (secret === undefined) return scryptSync(flag, `${purpose}/${uid}`, length).toString('hex')
  const key = createHmac('sha256', secret).update(purpose).digest()
  return createHmac('sha256', key)
    .update(`${uid}\0${flag}`)
    .digest('hex')
    .slice(0, 2 * length)
}
