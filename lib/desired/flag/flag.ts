import { createHmac } from 'node:crypto'
import type { OperatorConfig } from '../../config/operator.ts'
import type { ChallengeTemplate } from '../../crd/challenge-template.ts'
import type { Problem } from '../problem.ts'
import { isVariableName } from '../variable-name.ts'

/** The source of an instance's flag. */
export type FlagSource =
  | { kind: 'none' }
  | { kind: 'hmac'; envName: string; format: string }
  | { kind: 'format'; envName: string; value: string }
  /** A key of a Secret in the template's namespace. The caller reads it and passes its value to `flagValue`. */
  | { kind: 'secretRef'; envName: string; secret: { name: string; key: string } }

/** 128 bits of the HMAC. */
const hexDigits = 32

export function flagSource({ metadata, spec }: ChallengeTemplate): FlagSource | Problem {
  const strategy = spec.flagStrategy
  if (strategy === undefined) return { kind: 'none' }
  const unusable = (why: string): Problem => ({
    reason: 'TemplateInvalid',
    message: `ChallengeTemplate "${metadata.name}" cannot be used: ${why}.`,
  })
  const { type, envName = 'FLAG', format, secretRef } = strategy
  if (!isVariableName(envName))
    return unusable(
      'flagStrategy.envName is no name of a variable; write letters, digits and _, such as FLAG',
    )
  if (type === 'hmac-per-instance') {
    const pattern = format ?? 'flag{%s}'
    if (pattern.split('%s').length !== 2)
      return unusable('flagStrategy.format must have %s exactly once, such as flag{%s}')
    return { kind: 'hmac', envName, format: pattern }
  }
  if (type !== 'static')
    return unusable(
      `flagStrategy.type ${JSON.stringify(type)} is not known; write hmac-per-instance or static`,
    )
  if (secretRef) {
    if (!secretRef.name || !secretRef.key)
      return unusable('flagStrategy.secretRef lacks its name or key; write both')
    return { kind: 'secretRef', envName, secret: { name: secretRef.name, key: secretRef.key } }
  }
  if (format === undefined || format.trim() === '')
    return unusable('a static flag has no value; write flagStrategy.secretRef (or format)')
  return { kind: 'format', envName, value: format }
}

/**
 * Returns the flag, which is undefined if the template wants none.
 * @param uid uid of the instance
 * @param referenced result of `referencedFlag` for a `secretRef`
 */
export function flagValue(
  source: FlagSource,
  uid: string,
  { flagSecret }: Pick<OperatorConfig, 'flagSecret'>,
  referenced?: string | Problem,
): { flag: string | undefined } | Problem {
  switch (source.kind) {
    case 'none':
      return { flag: undefined }
    case 'format':
      return { flag: source.value }
    case 'secretRef': {
      if (typeof referenced === 'object') return referenced
      const { name, key } = source.secret
      if (referenced?.trim()) return { flag: referenced }
      return missing(
        `Secret "${name}" has no key "${key}" with a flag; create it in the template's namespace.`,
      )
    }
    case 'hmac': {
      if (flagSecret === undefined)
        return missing('FLAG_SECRET is not configured, which flags per instance are made from; set it.')
      const hex = createHmac('sha256', flagSecret).update(uid).digest('hex').slice(0, hexDigits)
      return { flag: source.format.replace('%s', () => hex) }
    }
  }
}

/**
 * Returns the flag that an instance keeps although FLAG_SECRET has changed since it was made.
 * @param kept the flag in its Secret
 * @returns undefined: it is not one that the source would make
 */
export function keptFlag(source: FlagSource, kept: string | undefined): string | undefined {
  if (source.kind !== 'hmac' || kept === undefined) return undefined
  const [before = '', after = ''] = source.format.split('%s')
  const hex = kept.slice(before.length, kept.length - after.length)
  const isMade = kept === `${before}${hex}${after}` && hex.length === hexDigits && /^[0-9a-f]+$/.test(hex)
  return isMade ? kept : undefined
}

/** The hash that the platform compares a team's flag with: hex HMAC-SHA256(pepper, flag without surrounding blanks). */
export function platformFlagHash(flag: string | undefined, pepper: string | undefined): string | undefined {
  if (flag === undefined || pepper === undefined) return undefined
  return createHmac('sha256', pepper).update(flag.trim()).digest('hex')
}

function missing(message: string): Problem {
  return { reason: 'FlagSecretMissing', message }
}
