import { expect, test } from 'vitest'
import { annotations } from '../../../lib/crd/group.ts'
import { defaultDeny } from '../../../lib/desired/objects/default-deny.ts'
import { sharedPolicy } from '../../../lib/desired/objects/network-policy.ts'
import { policyRules, policyRulesText } from '../../../lib/desired/policy-rules.ts'
import { createIntactCheck, isStandingPolicyName } from '../../../lib/observed/policy-digest.ts'
import { config, template } from '../desired/inputs.ts'

const rules = policyRules(template().spec)
const open = policyRules(template({ networkProfile: 'open' }).spec)
const policy = sharedPolicy('ctf', rules, config)

test('a check remembers what it knows of one policy for no other', () => {
  const isIntact = createIntactCheck(config)
  const noted = { ...policy.metadata, annotations: { [annotations.policyRules]: policyRulesText(open) } }
  for (let times = 0; times < 2; times++) {
    expect(isIntact(policy)).toBe(true)
    expect(isIntact(sharedPolicy('other', rules, config))).toBe(true)
    expect(isIntact(sharedPolicy('ctf', open, config))).toBe(true)
    expect(isIntact(defaultDeny('ctf'))).toBe(true)
    expect(isIntact({ ...policy, metadata: noted })).toBe(false)
    expect(isIntact({ ...policy, spec: sharedPolicy('ctf', open, config).spec })).toBe(false)
  }
})

test('a check of other settings finds the same policy changed', () => {
  expect(createIntactCheck({ ...config, ingressNamespaces: ['proxy'] })(policy)).toBe(false)
})

test('standing policies are known by their names', () => {
  expect([policy, defaultDeny('ctf')].map(each => isStandingPolicyName(each.metadata.name))).toEqual([
    true,
    true,
  ])
  expect(isStandingPolicyName('web-7')).toBe(false)
})
