import { describe, expect, it } from 'vitest'
import { parseOperatorConfig } from '../../../lib/config/operator.ts'
import { OperatorMisconfigured } from '../../../lib/config/section.ts'

function problemsOf(environment: Record<string, string>): string {
  try {
    parseOperatorConfig(environment)
    return ''
  } catch (thrown) {
    if (thrown instanceof OperatorMisconfigured) return thrown.problems.join('\n')
    throw thrown
  }
}

describe('the configuration of exposure', () => {
  it('has a host template and nothing else by default', () => {
    const { exposure, ingressCidrs } = parseOperatorConfig({})
    expect(exposure).toEqual({
      domain: undefined,
      hostTemplate: '{name}-{hash}.{domain}',
      ingressClass: undefined,
      gateway: undefined,
      tlsSecret: undefined,
      ingressStatus: false,
      publicPorts: {},
    })
    expect(ingressCidrs).toEqual([])
  })

  it('reads a Gateway, or one listener of it', () => {
    const gatewayOf = (value: string) => parseOperatorConfig({ OPERATOR_GATEWAY: value }).exposure.gateway
    expect(gatewayOf('infra/web')).toEqual({ namespace: 'infra', name: 'web' })
    expect(gatewayOf('infra/web/https')).toEqual({ namespace: 'infra', name: 'web', section: 'https' })
  })

  it('reads the ports that players type', () => {
    const { exposure } = parseOperatorConfig({ OPERATOR_PUBLIC_PORTS: 'http=8080, https=8443' })
    expect(exposure.publicPorts).toEqual({ http: 8080, https: 8443 })
  })

  it.each([
    ['OPERATOR_PUBLIC_PORTS', 'https=70000', 'from 1 to 65535'],
    ['OPERATOR_PUBLIC_PORTS', 'https=1,https=2', 'https twice'],
    ['OPERATOR_PUBLIC_PORTS', 'ftp=21', 'http, https or tls'],
    ['OPERATOR_INGRESS_CIDRS', '0.0.0.0/0', 'every address'],
    ['OPERATOR_INGRESS_CIDRS', '10.0.0.1/8', 'bits set after its prefix'],
    ['OPERATOR_INGRESS_CLASS', 'Nginx Class', 'IngressClass'],
    ['OPERATOR_INGRESS_STATUS', 'yes', 'true, false'],
    ['OPERATOR_TLS_SECRET', 'certificate', 'namespace/name'],
    ['OPERATOR_GATEWAY', 'traefik', 'namespace/name'],
    ['OPERATOR_GATEWAY', 'infra/Web', 'namespace/name'],
    ['OPERATOR_HOST_TEMPLATE', '{name}.{domain}', 'without {hash}'],
    ['OPERATOR_DOMAIN', 'EXAMPLE.com', 'lower-case'],
  ])('refuses %s=%s', (name, value, sentence) => {
    const problems = problemsOf({ [name]: value })
    expect(problems).toContain(name)
    expect(problems).toContain(sentence)
  })
})
