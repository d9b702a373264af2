import { createHmac } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { FlagStrategy } from '../../../../lib/crd/challenge-template.ts'
import { flagFingerprint } from '../../../../lib/desired/flag/fingerprint.ts'
import { flagSource, flagValue, keptFlag, platformFlagHash } from '../../../../lib/desired/flag/flag.ts'
import { template, uid } from '../inputs.ts'

const source = (flagStrategy: FlagStrategy) => flagSource(template({ flagStrategy }))
const keys = { flagSecret: 'secret', flagHmacPepper: 'pepper' }

describe('the flag', () => {
  test('is undefined if the template asks for none', () => {
    expect(flagSource(template())).toEqual({ kind: 'none' })
    expect(flagValue({ kind: 'none' }, uid, { flagSecret: undefined })).toEqual({ flag: undefined })
  })

  test('of hmac-per-instance is an HMAC over the uid, in the format', () => {
    const hex = createHmac('sha256', 'secret').update(uid).digest('hex').slice(0, 32)
    const hmac = source({ type: 'hmac-per-instance' })
    expect(hmac).toEqual({ kind: 'hmac', envName: 'FLAG', format: 'flag{%s}' })
    expect(flagValue(hmac as never, uid, keys)).toEqual({ flag: `flag{${hex}}` })
    expect(flagValue({ kind: 'hmac', envName: 'FLAG', format: '$&%s$1 100%' }, uid, keys)).toEqual({
      flag: `$&${hex}$1 100%`,
    })
  })

  test('of a static strategy comes from the Secret, or else from the format', () => {
    const secretRef = { name: 'flags', key: 'web' }
    expect(source({ type: 'static', secretRef, format: 'flag{x}' })).toMatchObject({
      kind: 'secretRef',
      secret: secretRef,
    })
    expect(source({ type: 'static', format: 'flag{%s %s}' })).toMatchObject({
      kind: 'format',
      value: 'flag{%s %s}',
    })
  })
})

describe('a flag that cannot be made', () => {
  test.each<[FlagStrategy, string]>([
    [{ type: 'hmac-per-instance', format: 'flag{}' }, '%s exactly once'],
    [{ type: 'hmac-per-instance', format: '%s%s' }, '%s exactly once'],
    [{ type: 'static' }, 'secretRef'],
    [{ type: 'static', format: '  ' }, 'secretRef'],
    [{ type: 'static', format: 'x', envName: 'A B' }, 'envName'],
    [{ type: 'dynamic' as never }, 'not known'],
  ])('counts as a problem of the template: %j', (strategy, sentence) => {
    const refused = source(strategy)
    expect(refused).toMatchObject({ reason: 'TemplateInvalid' })
    expect((refused as { message: string }).message).toContain(sentence)
  })

  test('lacks FLAG_SECRET or the Secret of the template', () => {
    const hmac = flagValue({ kind: 'hmac', envName: 'FLAG', format: '%s' }, uid, { flagSecret: undefined })
    const absent = flagValue(
      { kind: 'secretRef', envName: 'FLAG', secret: { name: 'flags', key: 'web' } },
      uid,
      keys,
    )
    expect(hmac).toMatchObject({ reason: 'FlagSecretMissing' })
    expect(absent).toMatchObject({
      reason: 'FlagSecretMissing',
      message: expect.stringContaining('"flags"'),
    })
  })
})

test('platformFlagHash ignores blanks around the flag, and returns no hash without flag or pepper', () => {
  const hash = createHmac('sha256', 'pepper').update('flag{x}').digest('hex')
  expect(platformFlagHash(' flag{x}\n', 'pepper')).toBe(hash)
  expect(platformFlagHash('flag{x}', undefined)).toBeUndefined()
  expect(platformFlagHash(undefined, 'pepper')).toBeUndefined()
})

describe('a flag that was made with another FLAG_SECRET', () => {
  const hmac = (format: string) => ({ kind: 'hmac', envName: 'FLAG', format }) as const
  const hex = '0123456789abcdef'.repeat(2)

  test('is kept if the format would make such a one', () => {
    expect(keptFlag(hmac('flag{%s}'), `flag{${hex}}`)).toBe(`flag{${hex}}`)
    expect(keptFlag(hmac('%s'), hex)).toBe(hex)
  })

  test.each([
    ['flag{%s}', `ctf{${hex}}`],
    ['flag{%s}', `flag{${hex}0}`],
    ['flag{%s}', 'flag{}'],
    ['flag{%s}flag{', 'flag{'],
    ['flag{%s}', `flag{${hex.toUpperCase()}}`],
  ])('is made anew if it does not fit the format %s (%s)', (format, kept) => {
    expect(keptFlag(hmac(format), kept)).toBeUndefined()
  })

  test('is nothing to a template whose flag comes from elsewhere, or to one whose Secret is gone', () => {
    expect(keptFlag({ kind: 'format', envName: 'FLAG', value: 'x' }, `flag{${hex}}`)).toBeUndefined()
    expect(keptFlag(hmac('flag{%s}'), undefined)).toBeUndefined()
  })
})

describe('flagFingerprint', () => {
  const withoutKeys = { flagSecret: undefined, flagHmacPepper: undefined }

  test.each([
    ['FLAG_SECRET', keys],
    ['FLAG_HMAC_PEPPER', { ...keys, flagSecret: undefined }],
    ['neither', withoutKeys],
  ])('differs for another flag or instance, and only then, with the key %s', (_, by) => {
    const one = flagFingerprint('flag{a}', uid, by)
    expect(one).toMatch(/^[0-9a-f]{32}$/)
    expect(flagFingerprint('flag{a}', uid, by)).toBe(one)
    expect(flagFingerprint('flag{b}', uid, by)).not.toBe(one)
    expect(flagFingerprint('flag{a}', 'another', by)).not.toBe(one)
  })

  test('takes over 5 ms without a key, so that a list of words cannot be tried quickly', () => {
    const started = performance.now()
    flagFingerprint('flag{a}', uid, withoutKeys)
    expect(performance.now() - started).toBeGreaterThan(5)
  })
})
