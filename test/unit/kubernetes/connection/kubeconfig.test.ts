import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { resolveConnection } from '../../../../lib/kubernetes/connection/connection.ts'

const signal = AbortSignal.timeout(10_000)
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kubeconfig-'))
})

afterEach(() => rm(folder, { recursive: true }))

const base64 = (text: string) => Buffer.from(text).toString('base64')

async function kubeconfig(
  user: unknown,
  cluster: Record<string, unknown> = {},
  name = 'config',
): Promise<string> {
  const path = join(folder, name)
  const document = {
    'current-context': 'x',
    clusters: [{ name: 'c', cluster: { server: 'https://example.com/', ...cluster } }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
  }
  await writeFile(path, JSON.stringify(document))
  return path
}

async function credential(user: unknown) {
  const { credentials } = await resolveConnection({ kind: 'kubeconfig', path: await kubeconfig(user) })
  return credentials({ fresh: false }, signal)
}

async function plugin(script: string): Promise<string> {
  await writeFile(join(folder, 'plugin'), `#!/bin/sh\n${script}\n`)
  await chmod(join(folder, 'plugin'), 0o755)
  return './plugin'
}

describe('the API server address in a kubeconfig', () => {
  it('takes the certificate authority from the kubeconfig or from a file beside it', async () => {
    const byData = await kubeconfig(
      {},
      { 'certificate-authority-data': base64('PEM'), 'tls-server-name': 'other' },
    )
    expect(await resolveConnection({ kind: 'kubeconfig', path: byData })).toMatchObject({
      server: 'https://example.com',
      tls: { ca: 'PEM', servername: 'other' },
    })
    await writeFile(join(folder, 'ca.pem'), 'PEM from file')
    const byFile = await kubeconfig(
      {},
      { 'certificate-authority': 'ca.pem', 'insecure-skip-tls-verify': true },
    )
    expect(await resolveConnection({ kind: 'kubeconfig', path: byFile })).toMatchObject({
      tls: { ca: 'PEM from file', rejectUnauthorized: false },
    })
  })

  it('comes from the first of several files that names it', async () => {
    const first = await kubeconfig({ token: 'first' }, { server: 'https://first' }, 'first')
    const second = await kubeconfig({ token: 'second' }, { server: 'https://second' }, 'second')
    const address = await resolveConnection({ kind: 'kubeconfig', path: [first, second].join(delimiter) })
    expect(address.server).toBe('https://first')
    expect(await address.credentials({ fresh: false }, signal)).toEqual({ authorization: 'Bearer first' })
  })
})

describe('credentials', () => {
  it.each([
    ['a token', { token: 'abc' }, { authorization: 'Bearer abc' }],
    ['a password', { username: 'a', password: 'b' }, { authorization: `Basic ${base64('a:b')}` }],
    [
      'a certificate',
      { 'client-certificate-data': base64('C'), 'client-key-data': base64('K') },
      { cert: 'C', key: 'K' },
    ],
    ['nothing', {}, {}],
  ])('of a kubeconfig user with %s become what the request carries', async (_name, user, expected) => {
    expect(await credential(user)).toEqual(expected)
  })

  it('of a token file are read again after the server refused them', async () => {
    await writeFile(join(folder, 'token'), 'one\n')
    const path = await kubeconfig({ tokenFile: 'token' })
    const { credentials } = await resolveConnection({ kind: 'kubeconfig', path })
    expect(await credentials({ fresh: false }, signal)).toEqual({ authorization: 'Bearer one' })
    await writeFile(join(folder, 'token'), 'two\n')
    expect(await credentials({ fresh: false }, signal)).toEqual({ authorization: 'Bearer one' })
    expect(await credentials({ fresh: true }, signal)).toEqual({ authorization: 'Bearer two' })
  })

  it('of an exec plugin are obtained once, and again after the server refused them', async () => {
    const status = '{"status":{"token":"\'$A-$(wc -l < "$COUNT" | tr -d " ")\'"}}'
    const command = await plugin(`echo x >> "$COUNT"\necho '${status}'`)
    const env = [
      { name: 'COUNT', value: join(folder, 'count') },
      { name: 'A', value: 'token' },
    ]
    const path = await kubeconfig({ exec: { apiVersion: 'client.authentication.k8s.io/v1', command, env } })
    const { credentials } = await resolveConnection({ kind: 'kubeconfig', path })
    const both = await Promise.all([
      credentials({ fresh: false }, signal),
      credentials({ fresh: false }, signal),
    ])
    expect(both).toEqual([{ authorization: 'Bearer token-1' }, { authorization: 'Bearer token-1' }])
    expect(await credentials({ fresh: false }, signal)).toEqual({ authorization: 'Bearer token-1' })
    expect(await credentials({ fresh: true }, signal)).toEqual({ authorization: 'Bearer token-2' })
  })

  it('of a pod come from its service account', async () => {
    await writeFile(join(folder, 'ca.crt'), 'PEM')
    await writeFile(join(folder, 'token'), 'abc')
    const address = await resolveConnection({ kind: 'in-cluster', host: '10.0.0.1', folder })
    expect(address).toMatchObject({ server: 'https://10.0.0.1', tls: { ca: 'PEM' } })
    expect(await address.credentials({ fresh: false }, signal)).toEqual({ authorization: 'Bearer abc' })
  })
})

describe('an unusable connection', () => {
  const opened = (path: string) => resolveConnection({ kind: 'kubeconfig', path })

  it('is reported with the missing kubeconfig and the remedy', async () => {
    await expect(opened('/nowhere/config')).rejects.toMatchObject({
      reason: 'OperatorMisconfigured',
      message:
        'KUBECONFIG names /nowhere/config, which does not exist: point it at a kubeconfig, or unset it.',
    })
  })

  it('is reported without a quotation of a file that is no kubeconfig', async () => {
    const path = join(folder, 'config')
    await writeFile(path, 'users:\n  - token: "flag{x}\n')
    const problem = await opened(path).catch((thrown: Error) => thrown as Error)
    expect((problem as Error).message).toMatch(/is no kubeconfig: not YAML from line \d/)
    expect(JSON.stringify(problem, Object.getOwnPropertyNames(problem))).not.toContain('flag{x}')
    await writeFile(path, 'hello')
    await expect(opened(path)).rejects.toThrow('is no kubeconfig: it holds no object')
  })

  it('is reported with the missing context', async () => {
    const path = join(folder, 'config')
    await writeFile(path, JSON.stringify({ 'current-context': 'gone' }))
    await expect(opened(path)).rejects.toThrow('has no context "gone"')
    await writeFile(path, '{}')
    await expect(opened(path)).rejects.toThrow('kubectl config use-context')
  })

  it('is reported with the sentence of an exec plugin that fails or is not installed', async () => {
    const command = await plugin('echo "your session has expired" >&2; exit 1')
    await expect(credential({ exec: { command } })).rejects.toMatchObject({
      reason: 'OperatorMisconfigured',
      message: expect.stringContaining('your session has expired'),
    })
    const missing = { exec: { command: 'no-such-plugin', installHint: 'Install it from example.com.' } }
    await expect(credential(missing)).rejects.toThrow(/no-such-plugin .* not installed.*Install it from/)
  })

  it('is reported if no service account is mounted', async () => {
    await expect(resolveConnection({ kind: 'in-cluster', host: '10.0.0.1', folder })).rejects.toThrow(
      'set KUBECONFIG',
    )
  })
})
