import { describe, expect, it } from 'vitest'
import { annotations } from '../../../lib/crd/group.ts'
import { sharedPolicy } from '../../../lib/desired/objects/network-policy.ts'
import { policyRules, policyRulesText } from '../../../lib/desired/policy-rules.ts'
import { parsePolicyRules, rulesOf } from '../../../lib/observed/policy-rules.ts'
import { config, template } from '../desired/inputs.ts'

const allowing = (...egressAllowlist: { cidr: string; ports?: { port: number }[] }[]) =>
  ({ networkProfile: 'egress-allowlist', egressAllowlist }) as const

describe('parsePolicyRules', () => {
  const spec = {
    ...allowing({ cidr: '198.51.100.0/24', ports: [{ port: 443 }] }),
    exposure: { type: 'NodePort' },
  } as const
  const rules = policyRules(template(spec).spec)

  it('returns the rules of a text', () => {
    expect(parsePolicyRules(policyRulesText(rules))).toEqual(rules)
  })

  it.each([
    ['no JSON', '{'],
    ['no object', 'null'],
    ['no rules', '{}'],
    ['a field of another kind', policyRulesText({ ...rules, exposure: null } as never)],
    ['an unknown field', policyRulesText({ ...rules, also: 1 } as never)],
    ['a range that is none', policyRulesText({ ...rules, egressAllowlist: [{ cidr: 'anywhere' }] })],
    ['a rule that is none', policyRulesText({ ...rules, egressAllowlist: [null] } as never)],
    [
      'an unknown profile',
      policyRulesText({ ...rules, networkProfile: 'all', egressAllowlist: [] } as never),
    ],
    ['a port by name', policyRulesText({ ...rules, ports: [{ port: 'http', protocol: 'TCP' }] } as never)],
    ['another order', JSON.stringify(Object.fromEntries(Object.entries(rules).reverse()))],
  ])('returns nothing for %s', (_, text) => {
    expect(parsePolicyRules(text)).toBeUndefined()
  })
})

describe('rulesOf', () => {
  const rules = policyRules(template().spec)
  const policy = sharedPolicy('ctf', rules, config)
  const noted = (text: string | undefined) => ({
    ...policy,
    metadata: {
      ...policy.metadata,
      annotations: text === undefined ? {} : { [annotations.policyRules]: text },
    },
  })

  it('returns the rules that a policy was built from', () => {
    expect(rulesOf(policy)).toEqual(rules)
  })

  it('believes no rules but those of the name', () => {
    const open = policyRules(template({ networkProfile: 'open' }).spec)
    expect(rulesOf(noted(policyRulesText(open)))).toBeUndefined()
    expect(rulesOf(noted(undefined))).toBeUndefined()
  })
})
