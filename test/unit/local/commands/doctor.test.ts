import { describe, expect, it } from 'vitest'
import type { Check } from '../../../../lib/doctor/check.ts'
import { OperatorError } from '../../../../lib/errors.ts'
import { tlsFindings } from '../../../../lib/store/tls-findings.ts'
import { clockFinding, lookAt } from '../../../../local/commands/doctor/check.ts'
import { runDoctor } from '../../../../local/commands/doctor.ts'

const { signal } = new AbortController()

describe('the clock of this machine', () => {
  const second = 1_000
  const asked = (there: number, exactMs = 0) =>
    clockFinding('the cluster', { there, before: 100 * second, after: 101 * second, exactMs })

  it.each([96, 100, 101, 105])('agrees with one that says %d s in the hundredth second', there => {
    expect(asked(there * second)).toHaveProperty('fine')
  })

  it('is ahead or behind by what the duration of the question does not explain', () => {
    expect(asked(60 * second)).toMatchObject({ problem: expect.stringContaining('40 s ahead of') })
    expect(asked(141 * second)).toMatchObject({ problem: expect.stringContaining('40 s behind') })
    expect(asked(94.5 * second)).toHaveProperty('problem')
    expect(asked(94.5 * second, second)).toHaveProperty('fine')
  })
})

describe('the connection to the database', () => {
  const at = (host: string, query = '') => tlsFindings(`postgres://u:p@${host}:5432/d${query}`)

  it('is verified with each sslmode that the driver verifies', () => {
    const verified = { fine: 'the connection is encrypted and verified' }
    expect(at('db', '?sslmode=verify-full')).toEqual([verified])
    for (const mode of ['verify-ca', 'require', 'prefer'])
      expect(at('db', `?sslmode=${mode}`)).toEqual([
        verified,
        { note: expect.stringContaining('verify-full') },
      ])
  })

  it('is verified to a host of RDS without a parameter', () => {
    expect(at('ctf.c9akciq32rgz.eu-central-1.rds.amazonaws.com')).toEqual([
      { fine: 'the connection is encrypted and verified' },
    ])
  })

  it.each([
    ['?uselibpqcompat=true&sslmode=require', 'accepts every certificate'],
    ['?uselibpqcompat=true&sslmode=prefer', 'accepts every certificate'],
    ['?uselibpqcompat=true&sslmode=require&sslrootcert=/ca.pem', 'accepts the certificate of another host'],
    ['?uselibpqcompat=true&sslmode=verify-ca&sslrootcert=/ca.pem', 'accepts the certificate of another host'],
  ])('is a problem with the modes of psql (%s)', (query, problem) => {
    expect(at('db', query)).toEqual([
      {
        problem: expect.stringContaining(problem),
        remedy: 'write sslmode=verify-full in DATABASE_URL',
      },
    ])
    expect(at('db', '?uselibpqcompat=true&sslmode=verify-full')).toEqual([
      { fine: 'the connection is encrypted and verified' },
    ])
  })

  it('is a problem if every certificate is accepted, and a note if it is not encrypted', () => {
    expect(at('db', '?sslmode=no-verify')).toEqual([expect.objectContaining({ remedy: expect.any(String) })])
    for (const query of ['', '?sslmode=disable'])
      expect(at('db.example.com', query)).toEqual([
        { note: expect.stringContaining('db.example.com is not encrypted') },
      ])
  })

  it.each(['localhost', '127.0.0.1', '[::1]'])('needs no encryption to %s', host => {
    expect(at(host)).toEqual([])
  })
})

describe('doctor --take-over', () => {
  it('is refused where no cluster is named', async () => {
    const examined = runDoctor({ OPERATOR_STACK: 'ours' }, { takeOver: true }, () => {}, signal)
    await expect(examined).rejects.toThrow('set KUBECONFIG')
  })
})

describe('a check that throws', () => {
  const failing = (thrown: unknown): Check => ({
    name: 'schema',
    remedy: 'of the check',
    look: async () => {
      throw thrown
    },
  })

  it.each([
    ['SchemaOutdated', 'challenge-operator crds'],
    ['Forbidden', 'log in again'],
    ['ClusterUnavailable', 'check KUBECONFIG'],
    ['DatabaseUnavailable', 'of the check'],
  ] as const)('with the reason %s advises: %s', async (reason, remedy) => {
    const [finding] = await lookAt(failing(new OperatorError(reason, 'It is so.')), signal)
    expect(finding).toEqual({ problem: 'It is so.', remedy: expect.stringContaining(remedy) })
  })

  it('for another cause advises what the check says', async () => {
    expect(await lookAt(failing(new TypeError('x')), signal)).toEqual([
      { problem: 'x', remedy: 'of the check' },
    ])
  })
})
