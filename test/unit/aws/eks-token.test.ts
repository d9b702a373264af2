import { createHash, createHmac } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { openEksTokens } from '../../../lib/aws/eks-token.ts'

const { signal } = new AbortController()
const start = Date.parse('2026-05-01T12:00:00Z')
const minute = 60_000
const secretKey = 'a secret access key'
const options = { clusterName: 'ctf', region: 'eu-central-1' }

beforeEach(() => {
  vi.useFakeTimers({ now: start, toFake: ['Date'] })
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIDEXAMPLE')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', secretKey)
  vi.stubEnv('AWS_SESSION_TOKEN', 'session+/=')
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllEnvs()
})

function urlIn(token: string): URL {
  expect(token).toMatch(/^k8s-aws-v1\.[\w-]+$/)
  return new URL(Buffer.from(token.slice('k8s-aws-v1.'.length), 'base64url').toString())
}

const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()

/** Computes the signature of a query as AWS documents it, independently of the code under test. */
function signatureOf(url: URL): string {
  const query = [...url.searchParams]
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .sort()
    .join('&')
  const emptyBody = createHash('sha256').update('').digest('hex')
  const headers = `host:${url.host}\nx-k8s-aws-id:ctf\n`
  const canonical = ['GET', '/', query, headers, 'host;x-k8s-aws-id', emptyBody].join('\n')
  const scope = '20260501/eu-central-1/sts/aws4_request'
  const hashed = createHash('sha256').update(canonical).digest('hex')
  const toSign = ['AWS4-HMAC-SHA256', '20260501T120000Z', scope, hashed].join('\n')
  const key = scope.split('/').reduce<string | Buffer>(hmac, `AWS4${secretKey}`)
  return hmac(key, toSign).toString('hex')
}

describe('a token for an EKS cluster', () => {
  test('is a request to STS in the domain of its partition', async () => {
    const tokens = openEksTokens({ ...options, region: 'cn-north-1' })
    const url = urlIn(await tokens({ fresh: false }, signal))
    expect(url.host).toBe('sts.cn-north-1.amazonaws.com.cn')
  })

  test('is a presigned request to STS with only the parameters that the authenticator allows', async () => {
    const url = urlIn(await openEksTokens(options)({ fresh: false }, signal))
    expect(`${url.origin}${url.pathname}`).toBe('https://sts.eu-central-1.amazonaws.com/')
    expect(Object.fromEntries(url.searchParams)).toEqual({
      Action: 'GetCallerIdentity',
      Version: '2011-06-15',
      'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
      'X-Amz-Credential': 'AKIDEXAMPLE/20260501/eu-central-1/sts/aws4_request',
      'X-Amz-Date': '20260501T120000Z',
      'X-Amz-Expires': '60',
      'X-Amz-Security-Token': 'session+/=',
      'X-Amz-Signature': signatureOf(url),
      'X-Amz-SignedHeaders': 'host;x-k8s-aws-id',
    })
  })

  test('has no padding, and is short enough with a session token of 1,500 characters', async () => {
    vi.stubEnv('AWS_SESSION_TOKEN', 'x'.repeat(1_500))
    const token = await openEksTokens(options)({ fresh: false }, signal)
    expect(token).not.toContain('=')
    expect(token.length).toBeLessThanOrEqual(4_096)
  })
})

describe('openEksTokens', () => {
  test('keeps a token for eleven of its fifteen minutes', async () => {
    const tokens = openEksTokens(options)
    const first = await tokens({ fresh: false }, signal)
    vi.setSystemTime(start + 11 * minute)
    expect(await tokens({ fresh: false }, signal)).toBe(first)
    vi.setSystemTime(start + 11 * minute + 1)
    expect(await tokens({ fresh: false }, signal)).not.toBe(first)
  })

  test('makes a new token after a refusal', async () => {
    const tokens = openEksTokens(options)
    const first = await tokens({ fresh: false }, signal)
    vi.setSystemTime(start + 1_000)
    expect(await tokens({ fresh: true }, signal)).not.toBe(first)
  })
})
