import { describe, expect, test } from 'vitest'
import type { ChallengeTemplateSpec } from '../../../lib/crd/challenge-template.ts'
import { policyName } from '../../../lib/desired/identity.ts'
import { policyRules } from '../../../lib/desired/policy-rules.ts'
import { template } from './inputs.ts'

const nameOf = (spec: Partial<ChallengeTemplateSpec>) => policyName(policyRules(template(spec).spec))
const allowing = (...egressAllowlist: NonNullable<ChallengeTemplateSpec['egressAllowlist']>) =>
  ({ networkProfile: 'egress-allowlist', egressAllowlist }) as const

describe('the name of a shared policy', () => {
  test('is a label value, and no name of an instance', () => {
    expect(nameOf({})).toMatch(/^challenge-policy\.[0-9a-f]{32}$/)
    expect(nameOf({}).length).toBeLessThanOrEqual(63)
  })

  test('stays the same from release to release, since another one restarts every pod', () => {
    expect(nameOf({})).toBe('challenge-policy.a1de58e13857f2a6f647f6303b17a2ee')
  })

  test.each<[string, Partial<ChallengeTemplateSpec>]>([
    ['the default profile, written out', { networkProfile: 'isolated-egress-dns-only' }],
    ['the default port, written out', { ports: [{ name: 'web', port: 8080, protocol: 'TCP' }] }],
    ['another protocol of the application', { ports: [{ name: 'http', port: 8080, appProtocol: 'http' }] }],
    ['no exposure, written out', { exposure: { type: 'None', port: 8080 } }],
    ['another image', { image: 'registry.example.com/other:2' }],
  ])('does not depend on %s', (_, spec) => {
    expect(nameOf(spec)).toBe(nameOf({}))
  })

  test('does not depend on the order of ports and ranges', () => {
    const [a, b] = [
      { name: 'a', port: 80 },
      { name: 'b', port: 443 },
    ] as const
    expect(nameOf({ ports: [a, b] })).toBe(nameOf({ ports: [b, a] }))
    const [one, other] = [{ cidr: '198.51.100.0/24', ports: [] }, { cidr: '203.0.113.0/24' }]
    expect(nameOf(allowing(one, other))).toBe(nameOf(allowing(other, { cidr: one.cidr })))
  })

  test('differs for all that differs in who may reach what', () => {
    const specs: Partial<ChallengeTemplateSpec>[] = [
      {},
      { ports: [{ name: 'http', port: 80 }] },
      { ports: [{ name: 'http', port: 8080, protocol: 'UDP' }] },
      { ports: [] },
      { networkProfile: 'open' },
      allowing({ cidr: '198.51.100.0/24' }),
      allowing({ cidr: '198.51.100.0/24', except: ['198.51.100.0/25'] }),
      allowing({ cidr: '198.51.100.0/24', ports: [{ port: 443 }] }),
      ...(['Ingress', 'HTTPRoute', 'TLSRoute', 'NodePort', 'LoadBalancer'] as const).map(type => ({
        exposure: { type },
      })),
      {
        ports: [
          { name: 'a', port: 8080 },
          { name: 'b', port: 90 },
        ],
        exposure: { type: 'NodePort', port: 'b' },
      },
      {
        ports: [
          { name: 'a', port: 8080 },
          { name: 'b', port: 90 },
        ],
        exposure: { type: 'NodePort', port: 8080 },
      },
    ]
    expect(new Set(specs.map(nameOf)).size).toBe(specs.length)
  })
})
