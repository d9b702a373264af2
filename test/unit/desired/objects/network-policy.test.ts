import { describe, expect, test } from 'vitest'
import type { ChallengeTemplateSpec } from '../../../../lib/crd/challenge-template.ts'
import { labels } from '../../../../lib/crd/group.ts'
import { identity } from '../../../../lib/desired/identity.ts'
import {
  ownPolicy,
  type PolicySettings,
  sharedPolicy,
} from '../../../../lib/desired/objects/network-policy.ts'
import { policyRules } from '../../../../lib/desired/policy-rules.ts'
import { rulesOf } from '../../../../lib/observed/policy-rules.ts'
import { config, instance, template } from '../inputs.ts'

const of = (spec: Partial<ChallengeTemplateSpec> = {}, settings: Partial<PolicySettings> = {}) =>
  sharedPolicy('ctf', policyRules(template(spec).spec), { ...config, ...settings })
const peersOf = (spec: Partial<ChallengeTemplateSpec>, settings: Partial<PolicySettings> = {}) =>
  of(spec, settings).spec.ingress?.map(({ from }) => from)

describe('a shared policy', () => {
  test('selects pods by a label with its own name, and carries the label itself', () => {
    const { metadata, spec } = of()
    expect(spec.podSelector).toEqual({ matchLabels: { [labels.policy]: metadata.name } })
    expect(metadata.labels?.[labels.policy]).toBe(metadata.name)
  })

  test('keeps the rules that it can be built anew from', () => {
    const { spec } = template({ networkProfile: 'open' })
    expect(rulesOf(of({ networkProfile: 'open' }))).toEqual(policyRules(spec))
  })

  test('has the same name whatever the configuration says', () => {
    const settings = { ingressNamespaces: ['proxy'], clusterCidrs: ['203.0.113.0/24'] }
    const other = of({ networkProfile: 'open' }, settings)
    expect(other.metadata).toEqual(of({ networkProfile: 'open' }).metadata)
    expect(other.spec).not.toEqual(of({ networkProfile: 'open' }).spec)
  })

  test('says the same as the policy that an earlier release made for an instance', () => {
    const spec = { networkProfile: 'open' } as const
    const own = ownPolicy(identity(instance(), 'ctf'), policyRules(template(spec).spec), config)
    const { podSelector: _, ...rest } = own.spec
    expect(of(spec).spec).toMatchObject(rest)
  })

  test('lets nobody in without a port, or without a namespace to admit', () => {
    expect(of({ ports: [] }).spec.ingress).toEqual([])
    expect(of({}, { ingressNamespaces: [] }).spec.ingress).toEqual([])
  })

  test('closes an allowed range that the configuration has come to name as the cluster', () => {
    const spec = {
      networkProfile: 'egress-allowlist',
      egressAllowlist: [{ cidr: '203.0.113.0/25' }, { cidr: '198.51.100.0/24' }],
    } as const
    const to = (settings: Partial<PolicySettings>) =>
      of(spec as never, settings).spec.egress?.flatMap(rule => rule.to ?? [])
    expect(to({})).toContainEqual({ ipBlock: { cidr: '203.0.113.0/25' } })
    const closed = to({ clusterCidrs: ['203.0.113.0/24'] })
    expect(closed).toContainEqual({ ipBlock: { cidr: '198.51.100.0/24' } })
    expect(JSON.stringify(closed)).not.toContain('203.0.113.0/25')
  })
})

describe('the policy of an exposed port', () => {
  const ports = [
    { name: 'web', port: 80 },
    { name: 'admin', port: 90 },
  ]
  const ingressCidrs = ['192.0.2.0/24']

  test.each(['Ingress', 'HTTPRoute', 'TLSRoute'] as const)(
    'by %s lets in the named addresses, on that port',
    type => {
      const { ingress = [] } = of({ ports, exposure: { type, port: 'admin' } }, { ingressCidrs }).spec
      expect(ingress.slice(1)).toEqual([
        { from: [{ ipBlock: { cidr: '192.0.2.0/24' } }], ports: [{ protocol: 'TCP', port: 90 }] },
      ])
      expect(peersOf({ ports, exposure: { type } })).toHaveLength(1)
    },
  )

  test.each(['NodePort', 'LoadBalancer'] as const)(
    'by %s lets in everybody but the cluster, on that port',
    type => {
      const clusterCidrs = ['10.0.0.0/8', 'fd01::/48']
      const { ingress = [] } = of({ ports, exposure: { type } }, { clusterCidrs, ingressCidrs }).spec
      expect(ingress.slice(1)).toEqual([
        {
          from: [
            { ipBlock: { cidr: '0.0.0.0/0', except: ['10.0.0.0/8'] } },
            { ipBlock: { cidr: '::/0', except: ['fd01::/48'] } },
            { ipBlock: { cidr: '192.0.2.0/24' } },
          ],
          ports: [{ protocol: 'TCP', port: 80 }],
        },
      ])
    },
  )

  test('lets in the same pods as before', () => {
    const [first] = of({ ports }).spec.ingress ?? []
    expect(of({ ports, exposure: { type: 'NodePort' } }).spec.ingress?.[0]).toEqual(first)
  })
})
