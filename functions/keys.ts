import { flagSecretProblem, type OperatorConfig } from '../lib/config/operator.ts'
import type { SecretReference } from '../lib/config/secret-reference.ts'
import { operatorError } from '../lib/errors.ts'
import { openSecret, type SecretAccess, valueIn } from './secrets.ts'

/** The keys of flags, as far as they are known. */
type Keys = Pick<OperatorConfig, 'flagSecret' | 'flagHmacPepper' | 'keysProblem'>

type Read = () => Promise<string | undefined>

/**
 * Makes a step that runs with the present keys of flags. Keys that AWS keeps are read before the first run, and again after
 * a while. When they have changed, `create` is called anew.
 */
export function withKeys<A extends unknown[], R>(
  config: OperatorConfig,
  access: SecretAccess,
  create: (config: OperatorConfig) => (...args: A) => Promise<R>,
): (...args: A) => Promise<R> {
  const { keySources: sources } = config
  if (sources.flagSecret === undefined && sources.flagHmacPepper === undefined) return create(config)
  const flagSecret = reader(sources.flagSecret, config.flagSecret, access)
  const flagHmacPepper = reader(sources.flagHmacPepper, config.flagHmacPepper, access)
  let current: { keys: Keys; run: (...args: A) => Promise<R> } | undefined
  return async (...args) => {
    const keys = await readKeys(flagSecret, flagHmacPepper)
    if (current === undefined || !isSame(current.keys, keys))
      current = { keys, run: create({ ...config, ...keys }) }
    return current.run(...args)
  }
}

function reader(
  reference: SecretReference | undefined,
  given: string | undefined,
  access: SecretAccess,
): Read {
  if (reference === undefined) return async () => given
  const secret = openSecret(reference, access)
  return async () => valueIn(await secret.value(), reference)
}

/** A key that cannot be read keeps nobody from being ended or removed. */
async function readKeys(flagSecret: Read, flagHmacPepper: Read): Promise<Keys> {
  try {
    const keys = { flagSecret: await flagSecret(), flagHmacPepper: await flagHmacPepper() }
    const keysProblem = flagSecretProblem(keys.flagSecret)
    return keysProblem === undefined ? { ...keys, keysProblem } : unknownKeys(keysProblem)
  } catch (thrown) {
    return unknownKeys(operatorError(thrown).message)
  }
}

function unknownKeys(keysProblem: string): Keys {
  return { flagSecret: undefined, flagHmacPepper: undefined, keysProblem }
}

function isSame(one: Keys, other: Keys): boolean {
  return (
    one.flagSecret === other.flagSecret &&
    one.flagHmacPepper === other.flagHmacPepper &&
    one.keysProblem === other.keysProblem
  )
}
