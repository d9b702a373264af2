import { createHmac, scryptSync } from 'node:crypto'
import type { OperatorConfig } from '../../config/operator.ts'

type Keys = Pick<OperatorConfig, 'flagSecret' | 'flagHmacPepper'>

/** Tells this use of a server's secret from its others. */
const purpose = 'challenge-operator/flag-fingerprint/v1'

const length = 16

/**
 * Changes with the flag and gives nothing away to those who may read a Deployment or a status but no Secret; 32 hex
 * digits. A static flag can be guessed word by word, so a plain hash would not do: keyed by FLAG_SECRET, else by
 * FLAG_HMAC_PEPPER. Where an operator has neither, scrypt with the instance's uid as salt (about 40 ms a guess, and
 * a pass) makes guessing slow instead.
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
