import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { parseOperatorConfig } from '../../../lib/config/operator.ts'
import { noGround } from '../../../lib/desired/exposure/exposure.ts'
import { defaultDeny } from '../../../lib/desired/objects/default-deny.ts'
import { built, config, instance, template } from './inputs.ts'

const exposing = parseOperatorConfig({
  FLAG_SECRET: 'a secret of the tests, long enough to be one',
  OPERATOR_DOMAIN: 'play.example.com',
  OPERATOR_INGRESS_CLASS: 'nginx',
  OPERATOR_GATEWAY: 'infra/public/web',
})

const shapes: Record<string, () => unknown> = {
  'default-deny': () => defaultDeny('ctf'),
  minimal: () => built(),
  'with-own-policy': () => built({ ownPolicy: true }),
  'flag-hmac': () => built({ template: template({ flagStrategy: { type: 'hmac-per-instance' } }) }),
  'flag-static-secret': () =>
    built(
      {
        template: template({
          flagStrategy: { type: 'static', envName: 'CTF_FLAG', secretRef: { name: 'flags', key: 'web' } },
        }),
      },
      'flag{from-a-secret}\n',
    ),
  'egress-open': () =>
    built({
      template: template({ networkProfile: 'open' }),
      config: { ...config, clusterCidrs: ['10.100.0.0/16', '203.0.113.0/24', '2001:db8:1::/48'] },
    }),
  'egress-allowlist': () =>
    built({
      template: template({
        networkProfile: 'egress-allowlist',
        egressAllowlist: [
          { cidr: '198.51.100.0/24', ports: [{ port: 443 }, { port: 53, protocol: 'UDP' }] },
          { cidr: '10.0.0.0/8', except: ['10.96.0.0/12'] },
        ],
      }),
      config: { ...config, clusterCidrs: ['10.96.0.0/12'] },
    }),
  'several-containers': () =>
    built({
      template: template({
        ports: [
          { name: 'web', port: 80, appProtocol: 'http' },
          { name: 'shell', port: 1337, appProtocol: 'tcp' },
          { name: 'game', port: 9000, protocol: 'UDP' },
        ],
        containers: [
          {
            name: 'db',
            image: 'registry.example.com/db:1',
            resources: { cpu: 0.5, memory: '1Gi' },
            env: [{ name: 'TEAM_ID', value: 'ignored' }],
            ports: [{ name: 'db', port: 5432 }],
            capabilities: ['SETUID', 'CHOWN'],
          },
        ],
        env: [{ name: 'GREETING', value: 'hello $(TEAM_ID)' }],
        readinessProbe: { httpGet: { path: '/healthz', port: 'web' }, initialDelaySeconds: 1 },
        command: ['/start'],
        args: ['--verbose'],
        flagStrategy: { type: 'hmac-per-instance', envName: 'FLAG', format: 'ctf{%s}' },
      }),
      env: { LEVEL: 'hard', COST: 'pay $(FLAG)' },
    }),
  'slow-start': () =>
    built({
      template: template({
        startupSeconds: 600,
        readinessProbe: { httpGet: { path: '/healthz', port: 8080 }, initialDelaySeconds: 20 },
      }),
    }),
  'exposure-ingress': () =>
    built({
      template: template({
        exposure: {
          type: 'Ingress',
          annotations: { 'nginx.ingress.kubernetes.io/proxy-body-size': '8m' },
        },
      }),
      config: exposing,
      exposure: { ...noGround, claim: 'held', ingressClass: 'exists' },
    }),
  'exposure-http-route': () =>
    built({
      template: template({ exposure: { type: 'HTTPRoute' } }),
      config: exposing,
      exposure: {
        ...noGround,
        routeVersion: 'gateway.networking.k8s.io/v1',
        gateway: { listeners: [{ name: 'web', protocol: 'HTTP' }] },
      },
    }),
  'exposure-tls-route': () =>
    built({
      template: template({
        ports: [{ name: 'pwn', port: 1337, appProtocol: 'tls' }],
        exposure: { type: 'TLSRoute' },
      }),
      config: exposing,
      exposure: { ...noGround, routeVersion: 'gateway.networking.k8s.io/v1', gateway: 'missing' },
    }),
  'exposure-node-port': () =>
    built({
      template: template({
        ports: [
          { name: 'web', port: 80, appProtocol: 'http' },
          { name: 'game', port: 9000, protocol: 'UDP' },
        ],
        exposure: { type: 'NodePort', port: 'game' },
      }),
      config: exposing,
    }),
  'exposure-load-balancer': () =>
    built({ template: template({ exposure: { type: 'LoadBalancer', required: false } }), config: exposing }),
  restricted: () =>
    built({
      template: template({
        podSecurity: 'restricted',
        writableRootFilesystem: false,
        runtimeClassName: 'gvisor',
        imagePullSecrets: ['registry'],
        ephemeralStorage: '1Gi',
        capabilities: ['NET_BIND_SERVICE'],
      }),
    }),
  'udp-only': () => built({ template: template({ ports: [{ name: 'game', port: 9000, protocol: 'UDP' }] }) }),
  suspended: () => built({ hibernated: true }),
  restarted: () => built({ instance: instance({ restartedAt: '2026-11-29T12:00:00Z' }) }),
  'ingress-namespaces': () =>
    built({
      config: parseOperatorConfig({
        OPERATOR_INGRESS_NAMESPACES: 'platform,checkers',
        OPERATOR_DNS: 'dns/app=dns:5353',
      }),
    }),
  'scheduled-on-nodes': () =>
    built({
      config: parseOperatorConfig({
        OPERATOR_PRIORITY_CLASS: 'challenges',
        OPERATOR_NODE_SELECTOR: 'pool=challenges',
        OPERATOR_TOLERATIONS: 'ctf=yes:NoSchedule,spot',
      }),
    }),
  'long-template-name': () => built({ instance: instance({ templateRef: `${'very.'.repeat(20)}long` }) }),
}

describe('the desired state of a shape', () => {
  test.each(Object.keys(shapes))('consists of the bytes in golden/%s.json', name => {
    const file = fileURLToPath(new URL(`golden/${name}.json`, import.meta.url))
    const bytes = `${JSON.stringify(shapes[name]?.(), null, 2)}\n`
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(file, bytes)
    expect(existsSync(file), `${name}.json is missing: run with UPDATE_GOLDEN=1 and read the diff`).toBe(true)
    expect(bytes).toBe(readFileSync(file, 'utf8'))
  })
})
