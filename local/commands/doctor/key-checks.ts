import { withKeys } from '../../../functions/keys.ts'
import type { SecretAccess } from '../../../functions/secrets.ts'
import type { OperatorConfig } from '../../../lib/config/operator.ts'
import { type Check, type Finding, note } from './check.ts'

/** Whether the keys of flags are set, and can be read where AWS keeps them. */
export function keyChecks(config: OperatorConfig, access: SecretAccess): Check[] {
  const { flagSecret, flagHmacPepper } = config.keySources
  return [
    keyCheck(
      {
        name: 'FLAG_SECRET',
        value: config.flagSecret,
        otherwise: 'templates with flags per instance stall with FlagSecretMissing',
      },
      { ...config, keySources: { flagSecret, flagHmacPepper: undefined } },
      access,
    ),
    keyCheck(
      {
        name: 'FLAG_HMAC_PEPPER',
        value: config.flagHmacPepper,
        otherwise: 'the platform gets no hashes to check flags with',
      },
      { ...config, keySources: { flagSecret: undefined, flagHmacPepper } },
      access,
    ),
  ]
}

interface Key {
  name: string
  value: string | undefined
  /** What happens without it. */
  otherwise: string
}

function keyCheck({ name, value, otherwise }: Key, config: OperatorConfig, access: SecretAccess): Check {
  const checkName = name.toLowerCase().replaceAll('_', ' ')
  const { flagSecret, flagHmacPepper } = config.keySources
  if (flagSecret === undefined && flagHmacPepper === undefined)
    return value === undefined
      ? note(checkName, `${name} is not set: ${otherwise}`)
      : { name: checkName, remedy: '', look: async () => ({ fine: 'set' }) }
  const look = withKeys<[], Finding>(
    config,
    access,
    ({ keysProblem }) =>
      async () =>
        keysProblem === undefined
          ? { fine: `read by ${name}_SECRET_ARN` }
          : { problem: keysProblem, remedy: `check ${name}_SECRET_ARN, and what the role may read` },
  )
  return { name: checkName, remedy: `check ${name}_SECRET_ARN`, look }
}
