import { describe, expect, it } from 'vitest'
import { parseOperatorConfig } from '../../../lib/config/operator.ts'
import type { Environment } from '../../../lib/config/section.ts'
import { problemsOf } from './problems-of.ts'

const problems = (environment: Environment) => problemsOf(environment, parseOperatorConfig)

describe('parseOperatorConfig', () => {
  it('gives the documented defaults for an empty environment', () => {
    expect(parseOperatorConfig({})).toMatchObject({
      namespaces: ['default'],
      leaseNamespace: 'default',
      intervalSeconds: 15,
      resyncMinutes: 10,
      placement: {
        byDefault: 'Shared',
        allowed: ['Shared'],
        namespacePrefix: 'ctf-',
        eventQuota: undefined,
        eventGraceMinutes: 60,
      },
      defaultTtlMinutes: undefined,
      ingressNamespaces: undefined,
      clusterCidrs: [],
      allowedRegistries: undefined,
      dns: { namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' }, port: 53 },
      logLevel: 'info',
      flagSecret: undefined,
    })
  })

  it('treats an empty variable as unset', () => {
    expect(parseOperatorConfig({ OPERATOR_NAMESPACE: '', FLAG_SECRET: '', OPERATOR_INTERVAL: '' })).toEqual(
      parseOperatorConfig({}),
    )
  })

  it('reads namespaces as a list without blanks and duplicates', () => {
    expect(parseOperatorConfig({ OPERATOR_NAMESPACE: 'a, b,a' }).namespaces).toEqual(['a', 'b'])
    expect(parseOperatorConfig({ OPERATOR_NAMESPACE: '*' }).namespaces).toBe('*')
  })

  it('puts what exists once into the first watched namespace, unless another one is named', () => {
    const placeOf = (environment: Record<string, string>) => parseOperatorConfig(environment).leaseNamespace
    expect(placeOf({ OPERATOR_NAMESPACE: 'b,a' })).toBe('b')
    expect(placeOf({ OPERATOR_NAMESPACE: '*' })).toBe('default')
    expect(placeOf({ OPERATOR_NAMESPACE: '*', OPERATOR_LEASE_NAMESPACE: 'ops' })).toBe('ops')
    expect(() => placeOf({ OPERATOR_LEASE_NAMESPACE: 'a,b' })).toThrow(
      'OPERATOR_LEASE_NAMESPACE is not the name',
    )
  })

  it('reads registries with folders and ports in the order of their names, and * alone as a list that allows all', () => {
    const registriesOf = (value: string) =>
      parseOperatorConfig({ OPERATOR_ALLOWED_REGISTRIES: value }).allowedRegistries
    expect(registriesOf('registry.example.com/ctf/, registry:5000,localhost')).toEqual([
      'localhost',
      'registry.example.com/ctf/',
      'registry:5000',
    ])
    expect(registriesOf('*')).toEqual([])
  })

  it('reads DNS pods of another namespace, label and port', () => {
    const openshift = 'openshift-dns/dns.operator.openshift.io/daemonset-dns=default:5353'
    expect(parseOperatorConfig({ OPERATOR_DNS: openshift }).dns).toEqual({
      namespace: 'openshift-dns',
      labels: { 'dns.operator.openshift.io/daemonset-dns': 'default' },
      port: 5353,
    })
    expect(parseOperatorConfig({ OPERATOR_DNS: 'kube-system/app=dns,tier=a' }).dns.labels).toEqual({
      app: 'dns',
      tier: 'a',
    })
  })

  it.each([
    ['OPERATOR_NAMESPACE', 'a,*', 'OPERATOR_NAMESPACE has "*"'],
    ['OPERATOR_NAMESPACE', 'Upper', 'OPERATOR_NAMESPACE has "Upper"'],
    ['OPERATOR_INTERVAL', '0', 'from 1 to 3600'],
    ['OPERATOR_INTERVAL', '1e3', 'whole number of seconds'],
    ['OPERATOR_INTERVAL', '99999999999999999999', 'from 1 to 3600'],
    ['OPERATOR_DEFAULT_TTL_MINUTES', '43201', 'from 1 to 43200'],
    ['OPERATOR_DEFAULT_TTL_MINUTES', '-5', 'from 1 to 43200'],
    ['OPERATOR_PLACEMENT', 'shared', 'Shared, Event, Instance'],
    ['OPERATOR_CLUSTER_CIDRS', '10.1.2.3/8', 'write 10.0.0.0/8 for the range'],
    ['OPERATOR_CLUSTER_CIDRS', '10.0.0.0/8,0.0.0.0/0', 'every address'],
    ['OPERATOR_CLUSTER_CIDRS', '10.0.0.0/33', 'over 32'],
    ['OPERATOR_CLUSTER_CIDRS', 'fe80::1%eth0/64', 'is not a CIDR'],
    ['OPERATOR_ALLOWED_REGISTRIES', 'https://registry.example.com', 'without https://'],
    ['OPERATOR_ALLOWED_REGISTRIES', 'library', 'such as registry.example.com/ctf or docker.io/library'],
    ['OPERATOR_ALLOWED_REGISTRIES', 'docker.io,*', 'has "*"'],
    ['OPERATOR_ALLOWED_REGISTRIES', 'registry.example.com/ctf:1', 'has "registry.example.com/ctf:1"'],
    ['OPERATOR_FLAG_SECRETS', 'all', 'opaque, labelled'],
    ['OPERATOR_DNS', 'k8s-app=kube-dns', 'namespace/label=value'],
    ['OPERATOR_DNS', 'kube-system/k8s-app=kube-dns:99999', 'namespace/label=value'],
    ['OPERATOR_LOG_LEVEL', 'verbose', 'debug, info, warn, error'],
    ['OPERATOR_NAMESPACES', 'a', 'did you mean OPERATOR_NAMESPACE?'],
    ['OPERATOR_INTREVAL', '5', 'did you mean OPERATOR_INTERVAL?'],
    ['OPERATOR_SOMETHING_ELSE_ENTIRELY', '5', 'remove it'],
    ['FLAG_SECRET', 'short', 'too short'],
    ['FLAG_SECRET_SECRET_ARN', 'arn:aws:secretsmanager:x', 'write the ARN of a secret'],
    ['FLAG_HMAC_PEPPER_SECRET_ARN', 'arn:aws:s3:::bucket', 'write the ARN of a secret'],
    ['FLAG_SECRET_ARN', 'arn:aws:secretsmanager:x', 'given as FLAG_SECRET_SECRET_ARN'],
    ['FLAG_HMAC_PEPPER_ARN', 'arn:aws:secretsmanager:x', 'given as FLAG_HMAC_PEPPER_SECRET_ARN'],
  ])('reports %s=%s', (name, value, sentence) => {
    expect(problems({ [name]: value })).toContain(sentence)
  })

  it('reports a key that is given twice, by value and by ARN', () => {
    const FLAG_SECRET_SECRET_ARN = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:ctf-AbCdEf'
    expect(problems({ FLAG_SECRET: 'x'.repeat(32), FLAG_SECRET_SECRET_ARN })).toContain('both set')
    const { keySources, flagSecret } = parseOperatorConfig({ FLAG_SECRET_SECRET_ARN })
    expect(flagSecret).toBeUndefined()
    expect(keySources.flagSecret).toMatchObject({ service: 'secretsmanager', region: 'eu-central-1' })
  })

  it('reports a short FLAG_SECRET without its value', () => {
    expect(problems({ FLAG_SECRET: 'hunter2' })).not.toContain('hunter2')
  })

  it('ignores the variables that a Service named operator puts into pods', () => {
    const injected = {
      OPERATOR_SERVICE_HOST: '10.0.0.1',
      OPERATOR_PORT: 'tcp://10.0.0.1:80',
      OPERATOR_PORT_80_TCP_ADDR: '10.0.0.1',
      OPERATOR_X_SERVICE_PORT_HTTP: '80',
    }
    expect(problems(injected)).toBe('')
  })
})

it.each(['OPERATOR_MAX_PER_TEAM', 'OPERATOR_MAX_PER_EVENT', 'OPERATOR_MAX_INSTANCES'])(
  'refuses %s of 0, which would admit nobody, and takes 1',
  name => {
    expect(problemsOf({ [name]: '0' }, parseOperatorConfig)).toMatch(new RegExp(`^${name}`))
    expect(problemsOf({ [name]: '1' }, parseOperatorConfig)).toBe('')
  },
)
