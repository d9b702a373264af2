import { describe, expect, it } from 'vitest'
import type { ChallengeTemplateSpec } from '../../../../lib/crd/challenge-template.ts'
import { problemOf } from '../inputs.ts'

const udp: Partial<ChallengeTemplateSpec> = {
  ports: [
    { name: 'web', port: 80 },
    { name: 'game', port: 9000, protocol: 'UDP' },
  ],
}

describe('the exposure of a template', () => {
  it.each<[string, Partial<ChallengeTemplateSpec>]>([
    ['a UDP port by a node port', { ...udp, exposure: { type: 'NodePort', port: 'game' } }],
    ['a port by its number', { ...udp, exposure: { type: 'LoadBalancer', port: 9000 } }],
    [
      'an annotation of the list',
      {
        exposure: {
          type: 'Ingress',
          annotations: { 'nginx.ingress.kubernetes.io/whitelist-source-range': '10.0.0.0/8,2001:db8::/32' },
        },
      },
    ],
    ['a host of its own', { exposure: { type: 'Ingress', host: '{hash}.{domain}' } }],
  ])('may have %s', (_, spec) => {
    expect(problemOf(spec)).toBeUndefined()
  })

  const annotated = (name: string, value = 'x'): Partial<ChallengeTemplateSpec> => ({
    exposure: { type: 'Ingress', annotations: { [name]: value } },
  })

  it.each<[string, Partial<ChallengeTemplateSpec>, string]>([
    [
      'a port that it does not declare',
      { exposure: { type: 'Ingress', port: 'shell' } },
      'write one of http',
    ],
    ['UDP by an Ingress', { ...udp, exposure: { type: 'Ingress', port: 'game' } }, 'carries no UDP'],
    ['a host without a hash', { exposure: { type: 'Ingress', host: 'www.{domain}' } }, 'without {hash}'],
    ['a host of a node port', { exposure: { type: 'NodePort', host: '{hash}.{domain}' } }, 'no effect'],
    ['a snippet', annotated('nginx.ingress.kubernetes.io/server-snippet'), 'server-snippet'],
    ['a sign-on of its own', annotated('nginx.ingress.kubernetes.io/auth-url'), 'auth-url'],
    ['a middleware of others', annotated('traefik.ingress.kubernetes.io/router.middlewares'), 'middlewares'],
    ['a host by another way', annotated('external-dns.alpha.kubernetes.io/hostname'), 'external-dns'],
    ['an annotation of another type', annotated('metallb.io/address-pool'), 'exposure.type Ingress'],
    [
      'a value that ends a directive',
      annotated('nginx.ingress.kubernetes.io/proxy-body-size', '8m;\nproxy_pass http://10.0.0.1'),
      'plain value',
    ],
    [
      'a value with a quotation',
      annotated('nginx.ingress.kubernetes.io/session-cookie-name', 'a"b'),
      'plain value',
    ],
  ])('may not have %s', (_, spec, sentence) => {
    expect(problemOf(spec)).toMatchObject({ reason: 'TemplateInvalid' })
    expect(problemOf(spec)?.message).toContain(sentence)
  })
})

describe('a template', () => {
  it.each([
    ...[
      'configuration-snippet',
      'server-snippet',
      'stream-snippet',
      'auth-snippet',
      'modsecurity-snippet',
    ].map(nginx),
    ...['auth-url', 'auth-signin', 'auth-secret', 'auth-tls-secret', 'enable-global-auth', 'satisfy'].map(
      nginx,
    ),
    ...['permanent-redirect', 'temporal-redirect', 'rewrite-target', 'app-root', 'use-regex'].map(nginx),
    ...['server-alias', 'upstream-vhost', 'default-backend', 'mirror-target', 'canary', 'canary-weight'].map(
      nginx,
    ),
    ...['service-upstream', 'proxy-ssl-secret', 'ssl-passthrough', 'custom-headers', 'limit-whitelist'].map(
      nginx,
    ),
    ...['router.middlewares', 'router.entrypoints', 'router.priority', 'router.pathmatcher'].map(traefik),
    ...['service.serverstransport', 'service.middlewares', 'service.sticky.cookie'].map(traefik),
    ...['backend-config-snippet', 'route-acl', 'set-host', 'request-redirect', 'standalone-backend'].map(
      haproxy,
    ),
    ...['ssl-certificate', 'auth-secret', 'cookie-persistence', 'timeout-tunnel'].map(haproxy),
    ...['config-backend', 'auth-url', 'server-alias', 'redirect-to', 'oauth'].map(haproxyIngress),
    ...['group.name', 'actions.forward', 'scheme', 'inbound-cidrs', 'ssl-redirect', 'auth-type'].map(alb),
    ...['load-balancer-name', 'certificate-arn', 'security-groups', 'load-balancer-attributes'].map(alb),
  ])('may not set %s on an Ingress', name => {
    const problem = problemOf({ exposure: { type: 'Ingress', annotations: { [name]: 'x' } } })
    expect(problem).toMatchObject({ reason: 'TemplateInvalid' })
    expect(problem?.message).toContain(name)
  })

  it.each([
    'metallb.io/allow-shared-ip',
    'metallb.io/loadBalancerIPs',
    'metallb.universe.tf/loadBalancerIPs',
    'service.beta.kubernetes.io/aws-load-balancer-security-groups',
    'service.beta.kubernetes.io/aws-load-balancer-eip-allocations',
    'service.beta.kubernetes.io/aws-load-balancer-name',
    'service.beta.kubernetes.io/azure-pip-name',
    'service.beta.kubernetes.io/azure-additional-public-ips',
    'service.beta.kubernetes.io/azure-disable-load-balancer-nsg-rule',
    'load-balancer.hetzner.cloud/id',
    'load-balancer.hetzner.cloud/node-selector',
    'load-balancer.hetzner.cloud/hostname',
    'external-dns.alpha.kubernetes.io/hostname',
  ])('may not set %s on a load balancer', name => {
    expect(
      problemOf({ exposure: { type: 'LoadBalancer', annotations: { [name]: 'x' } } })?.message,
    ).toContain(name)
  })
})

function nginx(name: string): string {
  return `nginx.ingress.kubernetes.io/${name}`
}

function traefik(name: string): string {
  return `traefik.ingress.kubernetes.io/${name}`
}

function haproxy(name: string): string {
  return `haproxy.org/${name}`
}

function haproxyIngress(name: string): string {
  return `haproxy-ingress.github.io/${name}`
}

function alb(name: string): string {
  return `alb.ingress.kubernetes.io/${name}`
}
