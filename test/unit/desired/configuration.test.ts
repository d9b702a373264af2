import { describe, expect, test } from 'vitest'
import { parseOperatorConfig } from '../../../lib/config/operator.ts'
import { configurationOf } from '../../../lib/desired/configuration.ts'

const secret = 'a'.repeat(64)
const of = (variables: Record<string, string>) => configurationOf(parseOperatorConfig(variables))

describe('the settings of a configuration', () => {
  test.each([
    ['OPERATOR_DEFAULT_TTL_MINUTES', '60'],
    ['OPERATOR_NODE_SELECTOR', 'pool=ctf'],
    ['OPERATOR_FLAG_SECRETS', 'labelled'],
  ])('depend on %s', (name, value) => {
    expect(of({ [name]: value }).settings).not.toBe(of({}).settings)
  })

  test.each([
    ['OPERATOR_CLUSTER_CIDRS', '10.0.0.0/8,fd00::/8', 'fd00::/8, 10.0.0.0/8'],
    ['OPERATOR_INGRESS_NAMESPACES', 'proxy,checkers', 'checkers,proxy'],
    ['OPERATOR_NODE_SELECTOR', 'pool=ctf,disk=ssd', 'disk=ssd,pool=ctf'],
    ['OPERATOR_TOLERATIONS', 'pool=ctf:NoSchedule,spot', 'spot,pool=ctf:NoSchedule'],
    ['OPERATOR_DNS', 'dns/app=dns,tier=core', 'dns/tier=core,app=dns'],
  ])('do not depend on the order within %s', (name, one, other) => {
    const hash = (value: string) => of({ [name]: value }).settingsOfOwnPolicy
    expect(hash(one)).toBe(hash(other))
    expect(hash(one)).not.toBe(of({}).settingsOfOwnPolicy)
  })

  test.each([
    ['OPERATOR_INTERVAL', '30'],
    ['OPERATOR_NAMESPACE', 'other'],
    ['OPERATOR_LOG_LEVEL', 'debug'],
    ['OPERATOR_CLUSTER_CIDRS', '10.0.0.0/8'],
    ['OPERATOR_DNS', 'dns/app=dns'],
    ['OPERATOR_INGRESS_NAMESPACES', 'proxy'],
    ['OPERATOR_INGRESS_CIDRS', '192.0.2.0/24'],
    ['FLAG_SECRET', secret],
    ['FLAG_HMAC_PEPPER', 'pepper'],
  ])('do not depend on %s', (name, value) => {
    expect(of({ [name]: value }).settings).toBe(of({}).settings)
  })
})

describe('the settings for an instance with a policy of its own', () => {
  test.each([
    ['OPERATOR_CLUSTER_CIDRS', '10.0.0.0/8'],
    ['OPERATOR_DNS', 'dns/app=dns'],
    ['OPERATOR_INGRESS_NAMESPACES', 'proxy'],
    ['OPERATOR_INGRESS_CIDRS', '192.0.2.0/24'],
    ['OPERATOR_DEFAULT_TTL_MINUTES', '60'],
  ])('depend on %s', (name, value) => {
    expect(of({ [name]: value }).settingsOfOwnPolicy).not.toBe(of({}).settingsOfOwnPolicy)
  })
})

describe('the keys of a configuration', () => {
  test('are those of flags, and none without any', () => {
    const all = [
      of({ FLAG_SECRET: secret }),
      of({ FLAG_SECRET: 'b'.repeat(64) }),
      of({ FLAG_SECRET: secret, FLAG_HMAC_PEPPER: 'pepper' }),
      of({ FLAG_HMAC_PEPPER: 'pepper' }),
    ].map(({ keys }) => keys)
    expect(new Set(all).size).toBe(4)
    for (const keys of all) expect(keys).toMatch(/^[0-9a-f]{16}$/)
    expect(of({}).keys).toBeUndefined()
  })
})
