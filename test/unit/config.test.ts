import { describe, expect, test } from 'vitest'
import {
  ConfigInvalid,
  configurationReference,
  type Environment,
  parseClusterConfig,
  parseConfig,
  parseDatabaseConfig,
  parseQueueConfig,
  readConfig,
  sections,
} from '../../lib/config.ts'

function complaints(environment: Environment, parse: (from: Environment) => unknown = parseConfig): string {
  try {
    parse(environment)
    return ''
  } catch (thrown) {
    if (thrown instanceof ConfigInvalid) return thrown.complaints.join('\n')
    throw thrown
  }
}

const queues = {
  CHANGES_QUEUE_URL: 'http://localhost:4566/000000000000/changes.fifo',
  TIMERS_QUEUE_URL: 'http://localhost:4566/000000000000/timers',
  DEAD_LETTERS_QUEUE_URL: 'http://localhost:4566/000000000000/changes-dead.fifo',
}

describe('what does an empty environment mean?', () => {
  test('the documented defaults', () => {
    expect(parseConfig({})).toMatchObject({
      namespaces: ['default'],
      intervalSeconds: 15,
      resyncMinutes: 10,
      placement: 'Shared',
      namespacePrefix: 'ctf-',
      defaultTtlMinutes: undefined,
      hostTemplate: '{name}-{hash}.{domain}',
      ingressNamespaces: undefined,
      clusterCidrs: [],
      dns: { namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' }, port: 53 },
      logLevel: 'info',
      flagSecret: undefined,
    })
  })

  test('an empty variable is an unset one', () => {
    expect(parseConfig({ OPERATOR_NAMESPACE: '', FLAG_SECRET: '', OPERATOR_INTERVAL: '' })).toEqual(
      parseConfig({}),
    )
  })
})

describe('is what is written what is read?', () => {
  test('namespaces as a list, without blanks and doubles', () => {
    expect(parseConfig({ OPERATOR_NAMESPACE: 'a, b,a' }).namespaces).toEqual(['a', 'b'])
    expect(parseConfig({ OPERATOR_NAMESPACE: '*' }).namespaces).toBe('*')
  })

  test('DNS elsewhere', () => {
    expect(
      parseConfig({ OPERATOR_DNS: 'openshift-dns/dns.operator.openshift.io/daemonset-dns=default:5353' }).dns,
    ).toEqual({
      namespace: 'openshift-dns',
      labels: { 'dns.operator.openshift.io/daemonset-dns': 'default' },
      port: 5353,
    })
    expect(parseConfig({ OPERATOR_DNS: 'kube-system/app=dns,tier=a' }).dns.labels).toEqual({
      app: 'dns',
      tier: 'a',
    })
  })

  test('every setting of the reference that has a default has that default', () => {
    const written = configurationReference.filter(each => each.default !== undefined)
    const environment = Object.fromEntries(written.map(each => [each.name, each.default]))
    expect(parseConfig(environment)).toEqual(parseConfig({}))
  })

  test('every known OPERATOR_ name is in the reference', () => {
    const names = configurationReference.map(each => each.name)
    expect(new Set(names).size).toBe(names.length)
    for (const name of names.filter(each => each.startsWith('OPERATOR_')))
      expect(complaints({ [name]: '\0' }), `${name} is read by nobody`).toContain(name)
  })
})

describe('what is complained about?', () => {
  test.each([
    ['OPERATOR_NAMESPACE', 'a,*', 'OPERATOR_NAMESPACE has "*"'],
    ['OPERATOR_NAMESPACE', 'Upper', 'OPERATOR_NAMESPACE has "Upper"'],
    ['OPERATOR_INTERVAL', '0', 'from 1 to 3600'],
    ['OPERATOR_INTERVAL', '1e3', 'whole number of seconds'],
    ['OPERATOR_INTERVAL', '99999999999999999999', 'from 1 to 3600'],
    ['OPERATOR_DEFAULT_TTL_MINUTES', '43201', 'from 1 to 43200'],
    ['OPERATOR_DEFAULT_TTL_MINUTES', '-5', 'from 1 to 43200'],
    ['OPERATOR_PLACEMENT', 'shared', 'Shared, Event, Instance'],
    ['OPERATOR_NAMESPACE_PREFIX', '-ctf', 'a letter or digit first'],
    ['OPERATOR_HOST_TEMPLATE', '{nam}.{domain}', '{name} {hash}'],
    ['OPERATOR_HOST_TEMPLATE', '{team}.{domain}', 'every instance the same host'],
    ['OPERATOR_GATEWAY', 'gateway', 'namespace/name'],
    ['OPERATOR_CLUSTER_CIDRS', '10.1.2.3/8', 'write 10.0.0.0/8 for the range'],
    ['OPERATOR_CLUSTER_CIDRS', '10.0.0.0/8,0.0.0.0/0', 'every address'],
    ['OPERATOR_CLUSTER_CIDRS', '10.0.0.0/33', 'over 32'],
    ['OPERATOR_CLUSTER_CIDRS', 'fe80::1%eth0/64', 'is not a CIDR'],
    ['OPERATOR_DNS', 'k8s-app=kube-dns', 'namespace/label=value'],
    ['OPERATOR_DNS', 'kube-system/k8s-app=kube-dns:99999', 'namespace/label=value'],
    ['OPERATOR_LOG_LEVEL', 'verbose', 'debug, info, warn, error'],
    ['OPERATOR_NAMESPACES', 'a', 'did you mean OPERATOR_NAMESPACE?'],
    ['OPERATOR_INTREVAL', '5', 'did you mean OPERATOR_INTERVAL?'],
    ['OPERATOR_SOMETHING_ELSE_ENTIRELY', '5', 'remove it'],
    ['FLAG_SECRET', 'short', 'too short'],
    ['FLAG_SECRET_SECRET_ARN', 'arn:aws:secretsmanager:x', 'set FLAG_SECRET itself'],
    ['FLAG_HMAC_PEPPER_SECRET_ARN', 'arn:aws:secretsmanager:x', 'set FLAG_HMAC_PEPPER itself'],
  ])('%s=%s', (name, value, sentence) => {
    expect(complaints({ [name]: value })).toContain(sentence)
  })

  test('everything at once, of all sections', () => {
    const all = complaints(
      { OPERATOR_INTERVAL: 'x', OPERATOR_PLACEMENT: 'y', DATABASE_URL: 'mysql://u:hunter2@h/d' },
      from => readConfig(from, sections),
    )
    for (const name of [
      'OPERATOR_INTERVAL',
      'OPERATOR_PLACEMENT',
      'DATABASE_URL',
      'CHANGES_QUEUE_URL',
      'EVENT_BUS_NAME',
      'KUBECONFIG',
    ])
      expect(all).toContain(name)
  })

  test('never with a secret in the sentence', () => {
    expect(complaints({ FLAG_SECRET: 'hunter2' })).not.toContain('hunter2')
    expect(complaints({ DATABASE_URL: 'mysql://u:hunter2@h/d' }, parseDatabaseConfig)).not.toContain(
      'hunter2',
    )
    expect(complaints({ DATABASE_URL: 'u:hunter2@h' }, parseDatabaseConfig)).toContain(
      'DATABASE_URL is no Postgres URL',
    )
  })

  test('not what a Service named operator injects', () => {
    const injected = {
      OPERATOR_SERVICE_HOST: '10.0.0.1',
      OPERATOR_PORT: 'tcp://10.0.0.1:80',
      OPERATOR_PORT_80_TCP_ADDR: '10.0.0.1',
      OPERATOR_X_SERVICE_PORT_HTTP: '80',
    }
    expect(complaints(injected)).toBe('')
  })

  test('a complaint leads to exit code 78', () => {
    expect(new ConfigInvalid(['x']).exitCode).toBe(78)
  })
})

describe('which parts are there?', () => {
  test('queues of the right kind', () => {
    expect(parseQueueConfig(queues).timersUrl).toBe(queues.TIMERS_QUEUE_URL)
    expect(complaints({ ...queues, CHANGES_QUEUE_URL: queues.TIMERS_QUEUE_URL }, parseQueueConfig)).toContain(
      'must be a FIFO queue',
    )
    expect(complaints({ ...queues, TIMERS_QUEUE_URL: queues.CHANGES_QUEUE_URL }, parseQueueConfig)).toContain(
      'must be a standard queue',
    )
    expect(complaints({ ...queues, TIMERS_QUEUE_URL: 'timers' }, parseQueueConfig)).toContain(
      'URL of an SQS queue',
    )
  })

  test('a database and a bus', () => {
    expect(parseDatabaseConfig({ DATABASE_URL: 'postgresql://u@h/d' }).url).toBe('postgresql://u@h/d')
    const bus = (environment: Environment) => readConfig(environment, { bus: sections.bus }).bus
    const arn = 'arn:aws:events:eu-west-1:123456789012:event-bus/ctf'
    expect(bus({ EVENT_BUS_NAME: arn }).name).toBe(arn)
    expect(complaints({ EVENT_BUS_NAME: 'a b' }, bus)).toContain('name or ARN')
  })

  test('one cluster, by kubeconfig, EKS or from within', () => {
    expect(parseClusterConfig({ KUBECONFIG: '/k', KUBERNETES_SERVICE_HOST: '10.0.0.1' })).toEqual({
      kind: 'kubeconfig',
      path: '/k',
    })
    expect(parseClusterConfig({ KUBERNETES_SERVICE_HOST: '10.0.0.1' })).toEqual({ kind: 'in-cluster' })
    const ca = Buffer.from('-----BEGIN CERTIFICATE-----').toString('base64')
    const eks = {
      EKS_CLUSTER_NAME: 'ctf',
      EKS_CLUSTER_ENDPOINT: 'https://x.eks.amazonaws.com',
      EKS_CLUSTER_CA: ca,
      AWS_REGION: 'eu-west-1',
    }
    expect(parseClusterConfig(eks)).toMatchObject({ kind: 'eks', name: 'ctf', region: 'eu-west-1' })
    expect(complaints({ EKS_CLUSTER_NAME: 'ctf' }, parseClusterConfig).split('\n')).toHaveLength(3)
    expect(complaints({ ...eks, KUBECONFIG: '/k' }, parseClusterConfig)).toContain('two clusters')
    expect(complaints({}, parseClusterConfig)).toContain('No cluster is given')
  })
})
