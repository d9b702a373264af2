import { describe, expect, it } from 'vitest'
import { verifyToken } from '../../../support/aws/eks-token.ts'
import { openIam, Refused } from '../../../support/aws/iam.ts'
import { presignedToken, type TokenParts } from '../../../support/aws/presigned-token.ts'

const now = Date.parse('2026-11-30T12:00:00Z')
const place = { cluster: 'ctf', region: 'eu-central-1' }
const role = { Type: 'AWS::IAM::Role', Properties: { RoleName: 'reconcile', Policies: [] } }
const iam = openIam({ Role: role })
const credentials = iam.assume('arn:aws:iam::123456789012:role/reconcile', 'a function')

const token = (parts: Partial<TokenParts> = {}) =>
  presignedToken({ ...place, credentials, signedAt: new Date(now), ...parts })
const verified = (text: string, more: { now?: number } = {}) =>
  verifyToken(text, { iam, now, ...place, ...more })
const refusal = (text: string, at = now) => {
  try {
    verified(text, { now: at })
    return undefined
  } catch (thrown) {
    if (!(thrown instanceof Refused)) throw thrown
    return thrown.code
  }
}

describe('verifyToken', () => {
  it('accepts a token of a session, for 15 minutes whatever its X-Amz-Expires says', async () => {
    const text = await token()
    expect(verified(text).session).toBe(credentials)
    expect(refusal(text, now + 15 * 60_000)).toBeUndefined()
    expect(refusal(text, now + 15 * 60_000 + 1_000)).toBe('Expired')
  })

  it('refuses a token from more than five minutes in the future', async () => {
    const text = await token()
    expect(refusal(text, now - 5 * 60_000)).toBeUndefined()
    expect(refusal(text, now - 5 * 60_000 - 1_000)).toBe('NotYetCurrent')
  })

  it('refuses a token for another cluster', async () => {
    expect(refusal(await token({ cluster: 'other' }))).toBe('SignatureDoesNotMatch')
  })

  it('refuses a token that another secret key has signed', async () => {
    const stolen = { ...credentials, secretAccessKey: 'guessed' }
    expect(refusal(await token({ credentials: stolen }))).toBe('SignatureDoesNotMatch')
  })

  it('refuses a session that does not exist, or whose token is another', async () => {
    const invalid = 'UnrecognizedClientException'
    expect(refusal(await token({ credentials: { ...credentials, accessKeyId: 'ASIANOBODY' } }))).toBe(invalid)
    expect(refusal(await token({ credentials: { ...credentials, sessionToken: 'old' } }))).toBe(invalid)
  })

  it.each([
    ['another host', { host: 'sts.example.com' }],
    ['the host of another region', { host: 'sts.eu-west-1.amazonaws.com' }],
    ['a path', { path: '/elsewhere' }],
    ['another action', { action: 'AssumeRole' }],
    ['an hour as its X-Amz-Expires', { expiresIn: 3_600 }],
    ['no signed name of a cluster', { signedHeaders: {} }],
  ])('refuses a token with %s', async (_, parts) => {
    expect(refusal(await token(parts))).toBe('FormatError')
  })

  it('refuses a parameter that does not belong to it, and what is no token', async () => {
    const [, encoded = ''] = (await token()).split('.')
    const url = Buffer.from(encoded, 'base64url').toString()
    const more = Buffer.from(`${url}&X-Amz-Other=1`).toString('base64url')
    for (const text of [`k8s-aws-v1.${more}`, encoded, 'k8s-aws-v1.', `k8s-aws-v1.${'a'.repeat(4_096)}`])
      expect(refusal(text)).toBe('FormatError')
  })
})
