import { describe, expect, it } from 'vitest'
import { readVariables } from '../e2e/support/variables.ts'

describe('the variables of the end-to-end suite', () => {
  const env = { KUBECONFIG: '/home/user/config' }

  it('have defaults but for the cluster', () => {
    expect(readVariables(env)).toMatchObject({
      kubeconfig: '/home/user/config',
      outside: { host: '1.1.1.1', port: 443 },
      outsideOther: { host: '8.8.8.8', port: 443 },
      required: [],
    })
    expect(() => readVariables({})).toThrow('KUBECONFIG is not set')
  })

  it('name abilities that must be there', () => {
    expect(readVariables({ ...env, E2E_REQUIRE: 'policies, ipv6' }).required).toEqual(['policies', 'ipv6'])
    expect(() => readVariables({ ...env, E2E_REQUIRE: 'policy' })).toThrow('policy is not known')
  })

  it('name the controllers of exposed challenges', () => {
    const named = { E2E_INGRESS_CLASS: 'traefik', E2E_INGRESS_SERVICE: 'traefik/web' }
    expect(readVariables({ ...env, ...named })).toMatchObject({
      ingress: { className: 'traefik', service: { namespace: 'traefik', name: 'web' } },
      gateway: undefined,
      loadBalancer: false,
    })
  })

  it.each([
    [{ E2E_INGRESS_CLASS: 'traefik' }, 'E2E_INGRESS_CLASS and E2E_INGRESS_SERVICE belong together'],
    [{ E2E_GATEWAY: 'gateway', E2E_GATEWAY_SERVICE: 'a/b' }, 'E2E_GATEWAY is no namespace/name'],
    [{ E2E_LOAD_BALANCER: 'yes' }, 'E2E_LOAD_BALANCER is neither true nor false'],
    [{ E2E_OUTSIDE: 'example.com:443' }, 'E2E_OUTSIDE is no IPv4 address'],
    [{ E2E_OUTSIDE: '192.0.2.1' }, 'E2E_OUTSIDE is no IPv4 address'],
    [{ E2E_OUTSIDE: '192.0.2.1:443', E2E_OUTSIDE_OTHER: '192.0.2.1:80' }, 'have one address'],
    [{ E2E_IMAGES: 'agnhost' }, 'E2E_IMAGES is not known'],
  ])('are refused with what to write: %o', (more, message) => {
    expect(() => readVariables({ ...env, ...more })).toThrow(message)
  })
})
