import { createHmac, scryptSync } from 'node:crypto'
import type { OperatorConfig } from '../config/operator.ts'
import { noKeys, recordedConfiguration } from '../observed/configuration.ts'
import { shortHash } from './canonical.ts'

/** What the present settings of the operator amount to, for a comparison with what an instance was built with. */
export interface Configuration extends PresentSettings {
  /** Hash of the keys of flags; undefined: there are none, or this function does not have them. */
  keys: string | undefined
}

/** Hashes of the settings that matter for what is built. An instance records one of the two. */
export interface PresentSettings {
  /** For an instance whose pods are selected by a shared policy. */
  settings: string
  /** For an instance that has a policy of its own: the settings that are content of policies matter for it, too. */
  settingsOfOwnPolicy: string
}

/**
 * Whether a setting matters for what an instance has. `settings`: a change is compared by every function. `policies`: it is
 * content of policies only. `keys`: only functions that have the keys compare it. `none`: it matters for the operator only.
 */
const effects: Readonly<Record<keyof OperatorConfig, 'settings' | 'policies' | 'keys' | 'none'>> = {
  namespaces: 'none',
  leaseNamespace: 'none',
  intervalSeconds: 'none',
  resyncMinutes: 'none',
  placement: 'settings',
  defaultTtlMinutes: 'settings',
  historyDays: 'none',
  limits: 'none',
  idleMillicores: 'none',
  warnMinutes: 'none',
  ingressNamespaces: 'policies',
  clusterCidrs: 'policies',
  // The cluster's guardrails hold them. Nothing is built from them.
  allowedRegistries: 'none',
  dns: 'policies',
  scheduling: 'settings',
  ingressCidrs: 'policies',
  installation: 'none',
  exposure: 'settings',
  logLevel: 'none',
  tracing: 'none',
  healthPort: 'none',
  platform: 'none',
  flagSecret: 'keys',
  flagHmacPepper: 'keys',
  keySources: 'none',
  keysProblem: 'none',
  flagSecrets: 'settings',
}

/** Separates this use of the keys from their other uses. */
const purpose = 'challenge-operator/configuration/v1'

/** Hex digits of the hash of one key. It shows a change, and needs no more. */
const keyDigits = 8

/** Stands for the hash of a key that is not set. */
const noKey = '0'.repeat(keyDigits)

/** Compute it once: where there is a pepper and no FLAG_SECRET it takes some 40 ms. */
export function configurationOf(config: OperatorConfig): Configuration {
  const hashOf = (...wanted: string[]) => {
    const chosen = Object.entries(config).filter(([name]) =>
      wanted.includes(effects[name as keyof OperatorConfig]),
    )
    return shortHash(Object.fromEntries(chosen))
  }
  return {
    settings: hashOf('settings'),
    settingsOfOwnPolicy: hashOf('settings', 'policies'),
    keys: keysOf(config),
  }
}

/** The settings during a lockdown, which closes the policy of an instance's own. */
export function underLockdown<T extends PresentSettings>(settings: T): T {
  const { settingsOfOwnPolicy: open } = settings
  return { ...settings, settingsOfOwnPolicy: shortHash({ open, lockdown: true }) }
}

/** Whether an instance that recorded this hash was built with the present settings. */
export function isBuiltWith({ settings, settingsOfOwnPolicy }: PresentSettings, recorded: string): boolean {
  return recorded === settings || recorded === settingsOfOwnPolicy
}

/**
 * A hash of FLAG_SECRET and one of the pepper. Anybody may read a status, so the hash must not give a pepper away that could
 * be guessed. FLAG_SECRET is long enough to key the hash; without it scrypt makes each guess slow.
 */
function keysOf({ flagSecret, flagHmacPepper }: OperatorConfig): string | undefined {
  if (flagSecret === undefined && flagHmacPepper === undefined) return undefined
  return `${flagSecretHash({ flagSecret })}${pepperHash({ flagSecret, flagHmacPepper })}`
}

/** Shows which FLAG_SECRET a flag was made with. */
export function flagSecretHash({ flagSecret }: Pick<OperatorConfig, 'flagSecret'>): string {
  if (flagSecret === undefined) return noKey
  return createHmac('sha256', flagSecret).update(purpose).digest('hex').slice(0, keyDigits)
}

function pepperHash({
  flagSecret,
  flagHmacPepper,
}: Pick<OperatorConfig, 'flagSecret' | 'flagHmacPepper'>): string {
  if (flagHmacPepper === undefined) return noKey
  if (flagSecret === undefined) return scryptSync(flagHmacPepper, purpose, keyDigits / 2).toString('hex')
  return createHmac('sha256', flagSecret)
    .update(`${purpose}\0${flagHmacPepper}`)
    .digest('hex')
    .slice(0, keyDigits)
}

/** The two hashes that a record of keys consists of. */
export function partsOfKeys(keys: string): { flagSecret: string; pepper: string } {
  return { flagSecret: keys.slice(0, keyDigits), pepper: keys.slice(keyDigits) }
}

/**
 * Returns which FLAG_SECRET an instance keeps the flag of, because another one is configured now; undefined: none. A flag
 * that players may have seen stays with its instance.
 */
export function earlierFlagSecret(
  recorded: string | undefined,
  config: Pick<OperatorConfig, 'flagSecret'>,
): string | undefined {
  const keys = recordedConfiguration(recorded)?.keys
  if (keys === undefined || keys === noKeys) return undefined
  const { flagSecret } = partsOfKeys(keys)
  return flagSecret === noKey || flagSecret === flagSecretHash(config) ? undefined : flagSecret
}
