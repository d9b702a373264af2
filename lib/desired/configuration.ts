import { createHmac, scryptSync } from 'node:crypto'
import type { OperatorConfig } from '../config/operator.ts'
import { shortHash } from './canonical.ts'

/** What the present settings of the operator amount to, for a comparison with what an instance was built with. */
export interface Configuration {
  /** Hash of the settings that matter for what is built. */
  settings: string
  /** Hash of the keys of flags; undefined: there are none, or this function does not have them. */
  keys: string | undefined
}

/**
 * Whether a setting matters for what an instance has. `settings`: a change is compared by every function. `keys`: only by
 * functions that have the keys. `none`: it matters for the operator only.
 */
const effects: Readonly<Record<keyof OperatorConfig, 'settings' | 'keys' | 'none'>> = {
  namespaces: 'none',
  intervalSeconds: 'none',
  resyncMinutes: 'none',
  placement: 'settings',
  defaultTtlMinutes: 'settings',
  ingressNamespaces: 'settings',
  clusterCidrs: 'settings',
  // The cluster's admission policy holds them. Nothing is built from them.
  allowedRegistries: 'none',
  dns: 'settings',
  scheduling: 'settings',
  ingressCidrs: 'settings',
  exposure: 'settings',
  logLevel: 'none',
  flagSecret: 'keys',
  flagHmacPepper: 'keys',
  flagSecrets: 'settings',
}

/** Separates this use of the keys from their other uses. */
const purpose = 'challenge-operator/configuration/v1'

/** Bytes. */
const keysLength = 8

/** Compute it once: where there is a pepper and no FLAG_SECRET it takes some 40 ms. */
export function configurationOf(config: OperatorConfig): Configuration {
  const settings = Object.entries(config).filter(
    ([name]) => effects[name as keyof OperatorConfig] === 'settings',
  )
  return { settings: shortHash(Object.fromEntries(settings)), keys: keysOf(config) }
}

/**
 * Anybody may read a status, so the hash must not give a pepper away that could be guessed. FLAG_SECRET is long enough to
 * key the hash; without it scrypt makes each guess slow.
 */
function keysOf({ flagSecret, flagHmacPepper = '' }: OperatorConfig): string | undefined {
  if (flagSecret !== undefined)
    return createHmac('sha256', flagSecret)
      .update(`${purpose}\0${flagHmacPepper}`)
      .digest('hex')
      .slice(0, 2 * keysLength)
  return flagHmacPepper === '' ? undefined : scryptSync(flagHmacPepper, purpose, keysLength).toString('hex')
}
