import { describe, expect, test } from 'vitest'
import { labels } from '../../../../lib/crd/group.ts'
import { referencedFlag } from '../../../../lib/desired/flag/referenced-flag.ts'
import { templateRevision } from '../../../../lib/desired/template-revision.ts'
import { flagSecret, storedTemplate } from '../../../support/objects.ts'

const flags = flagSecret({ web: 'flag{x}' })
const labelled = (own: Record<string, string>) => ({ ...flags, metadata: { ...flags.metadata, labels: own } })
const any = { flagSecrets: 'opaque' } as const
const withLabel = { flagSecrets: 'labelled' } as const

describe('the flag in the Secret of a template', () => {
  test('is the value of its key', () => {
    expect(referencedFlag(flags, 'web', any)).toBe('flag{x}')
    expect(referencedFlag(flags, 'other', any)).toBeUndefined()
    expect(referencedFlag(undefined, 'web', any)).toBeUndefined()
  })

  test.each([
    ["another instance's flag", labelled({ [labels.managedBy]: 'challenge-operator' })],
    [
      'a revision of a template',
      { ...flags, ...templateRevision(storedTemplate()), metadata: flags.metadata },
    ],
    ['a token of a service account', { ...flags, type: 'kubernetes.io/service-account-token' }],
    ['a certificate', { ...flags, type: 'kubernetes.io/tls' }],
    ["a registry's password", { ...flags, type: 'kubernetes.io/dockerconfigjson' }],
  ])('is not read from %s, and the sentence names the Secret and what to do', (_, secret) => {
    for (const config of [any, withLabel])
      expect(referencedFlag(secret, 'web', config)).toMatchObject({
        reason: 'FlagSecretRefused',
        message: expect.stringMatching(/^Secret "flags" .*; (name|create|set) .*\.$/),
      })
    expect(JSON.stringify(referencedFlag(secret, 'web', any))).not.toContain('flag{x}')
  })

  test('shows no more than the beginning of a type that is as long as an object', () => {
    const refused = referencedFlag({ ...flags, type: 'x'.repeat(1_000_000) }, 'web', any)
    expect((refused as { message: string }).message.length).toBeLessThan(400)
  })

  test('is read from a labelled Secret only where the configuration says so', () => {
    const forChallenges = labelled({ [labels.forChallenges]: 'true' })
    expect(referencedFlag(forChallenges, 'web', withLabel)).toBe('flag{x}')
    for (const secret of [flags, labelled({ [labels.forChallenges]: 'false' })])
      expect(referencedFlag(secret, 'web', withLabel)).toMatchObject({
        reason: 'FlagSecretRefused',
        message: expect.stringContaining('infra.ctf.example.com/for-challenges: "true"'),
      })
    const managed = labelled({ [labels.forChallenges]: 'true', [labels.managedBy]: 'challenge-operator' })
    expect(referencedFlag(managed, 'web', withLabel)).toMatchObject({ reason: 'FlagSecretRefused' })
  })
})
