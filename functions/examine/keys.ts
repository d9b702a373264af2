import type { OperatorConfig } from '../../lib/config/operator.ts'
import type { Finding } from '../../lib/doctor/check.ts'
import { withKeys } from '../keys.ts'
import type { SecretAccess } from '../secrets.ts'
import type { ExaminedPart } from './examine.ts'

const keys = [
  {
    name: 'FLAG_SECRET',
    given: ({ flagSecret }: OperatorConfig) => flagSecret,
    sourceOf: ({ keySources: { flagSecret } }: OperatorConfig) => ({ flagSecret, flagHmacPepper: undefined }),
    without: 'templates with flags per instance stall with FlagSecretMissing',
  },
  {
    name: 'FLAG_HMAC_PEPPER',
    given: ({ flagHmacPepper }: OperatorConfig) => flagHmacPepper,
    sourceOf: ({ keySources: { flagHmacPepper } }: OperatorConfig) => ({
      flagSecret: undefined,
      flagHmacPepper,
    }),
    without: 'the platform gets no hashes to check flags with',
  },
] as const

export interface ExaminedKey {
  name: (typeof keys)[number]['name']
  look(): Promise<Finding>
}

/** Examines whether each key of flags is set, and can be read where AWS keeps it. */
export function examinedKeys(config: OperatorConfig, access: SecretAccess): ExaminedKey[] {
  return keys.map(({ name, given, sourceOf, without }) => {
    const keySources = sourceOf(config)
    if (keySources.flagSecret === undefined && keySources.flagHmacPepper === undefined)
      return {
        name,
        look: async () =>
          given(config) === undefined ? { note: `${name} is not set: ${without}` } : { fine: 'set' },
      }
    const look = withKeys<[], Finding>(
      { ...config, keySources },
      access,
      ({ keysProblem }) =>
        async () =>
          keysProblem === undefined
            ? { fine: `read by ${name}_SECRET_ARN` }
            : { problem: keysProblem, remedy: `check ${name}_SECRET_ARN, and what the role may read` },
    )
    return { name, look }
  })
}

export function keyParts(config: OperatorConfig, access: SecretAccess): ExaminedPart[] {
  return examinedKeys(config, access).map(({ name, look }) => ({
    part: partOf(name),
    remedyOf: () => `check ${name}_SECRET_ARN`,
    look: async () => look(),
  }))
}

/** Returns the name of a variable as doctor shows it. */
export function partOf(name: ExaminedKey['name']): string {
  return name.toLowerCase().replaceAll('_', ' ')
}
