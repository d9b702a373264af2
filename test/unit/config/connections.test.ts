import { describe, expect, it } from 'vitest'
import {
  busSection,
  parseClusterConfig,
  parseDatabaseConfig,
  parseQueueConfig,
} from '../../../lib/config/connections.ts'
import { type Environment, readConfig } from '../../../lib/config/section.ts'
import { problemsOf } from './problems-of.ts'

const queues = {
  CHANGES_QUEUE_URL: 'http://localhost:4566/000000000000/changes.fifo',
  TIMERS_QUEUE_URL: 'http://localhost:4566/000000000000/timers',
  SWEEPS_QUEUE_URL: 'http://localhost:4566/000000000000/sweeps',
  DEAD_LETTERS_QUEUE_URL: 'http://localhost:4566/000000000000/changes-dead.fifo',
}

describe('the queue section', () => {
  it('accepts two FIFO queues and two standard ones', () => {
    expect(parseQueueConfig(queues).timersUrl).toBe(queues.TIMERS_QUEUE_URL)
  })

  it('reports a queue of the wrong kind and a name in place of a URL', () => {
    const problems = (changed: Environment) => problemsOf({ ...queues, ...changed }, parseQueueConfig)
    expect(problems({ CHANGES_QUEUE_URL: queues.TIMERS_QUEUE_URL })).toContain('must be a FIFO queue')
    expect(problems({ TIMERS_QUEUE_URL: queues.CHANGES_QUEUE_URL })).toContain('must be a standard queue')
    expect(problems({ TIMERS_QUEUE_URL: 'timers' })).toContain('URL of an SQS queue')
  })
})

describe('the database section', () => {
  it('reads the URL of a Postgres database', () => {
    expect(parseDatabaseConfig({ DATABASE_URL: 'postgresql://u@h/d' }).url).toBe('postgresql://u@h/d')
  })

  it('reports an unusable URL without its password', () => {
    expect(problemsOf({ DATABASE_URL: 'mysql://u:hunter2@h/d' }, parseDatabaseConfig)).not.toContain(
      'hunter2',
    )
    expect(problemsOf({ DATABASE_URL: 'u:hunter2@h' }, parseDatabaseConfig)).toContain(
      'DATABASE_URL is no Postgres URL',
    )
  })
})

describe('a database whose address is a secret of AWS', () => {
  const arn = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds!db-1-AbCdEf'

  it('needs no DATABASE_URL, and may have one without a password', () => {
    expect(parseDatabaseConfig({ DATABASE_URL_SECRET_ARN: arn }).secret?.arn).toBe(arn)
    const secret = 'arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:ctf/db-AbCdEf'
    expect(parseDatabaseConfig({ DATABASE_URL_SECRET_ARN: secret })).toMatchObject({
      url: undefined,
      secret: { service: 'secretsmanager', region: 'cn-north-1', domain: 'amazonaws.com.cn' },
    })
    const parameter = 'arn:aws-us-gov:ssm:us-gov-west-1:123456789012:parameter/ctf/database'
    expect(
      parseDatabaseConfig({ DATABASE_URL: 'postgres://h/d', DATABASE_URL_SECRET_ARN: parameter }),
    ).toMatchObject({ url: 'postgres://h/d', secret: { service: 'ssm', domain: 'amazonaws.com' } })
  })

  it.each([
    [
      {
        DATABASE_URL: 'postgres://u:p@h/d',
        DATABASE_URL_SECRET_ARN: 'arn:aws:ssm:eu-west-1:123456789012:parameter/x',
      },
      'remove it from the URL',
    ],
    [{ DATABASE_URL_SECRET_ARN: 'arn:aws:ssm:eu-west-1:123456789012:secret:x' }, 'write the ARN of a secret'],
    [{ DATABASE_URL: 'postgres://h/d', DATABASE_SECRET_ARN: 'x' }, 'given as DATABASE_URL_SECRET_ARN'],
    [{}, 'or by DATABASE_URL_SECRET_ARN'],
  ])('is refused where it cannot be one: %j', (environment, problem) => {
    expect(problemsOf(environment, parseDatabaseConfig)).toContain(problem)
  })
})

describe('a database with users of IAM', () => {
  const host = 'ctf.c9akciq32rgz.eu-central-1.rds.amazonaws.com'

  it('takes the region from the host, or else from AWS_REGION', () => {
    const iam = { DATABASE_IAM: 'true' }
    expect(parseDatabaseConfig({ ...iam, DATABASE_URL: `postgres://operator@${host}/ctf` }).iam).toEqual({
      host,
      port: 5432,
      user: 'operator',
      region: 'eu-central-1',
    })
    const elsewhere = {
      ...iam,
      DATABASE_URL: 'postgres://operator@db.example.com:6432/ctf?sslmode=verify-full',
    }
    expect(parseDatabaseConfig({ ...elsewhere, AWS_REGION: 'eu-west-1' }).iam).toMatchObject({
      port: 6432,
      region: 'eu-west-1',
    })
    expect(problemsOf(elsewhere, parseDatabaseConfig)).toContain('AWS_REGION')
  })

  it.each([
    [`postgres://operator:hunter2@${host}/ctf`, 'no password'],
    [`postgres://${host}/ctf`, 'name of a user'],
    [`postgres://operator@${host}/ctf?sslmode=disable`, 'needs TLS'],
  ])('refuses %s', (url, problem) => {
    const problems = problemsOf({ DATABASE_IAM: 'true', DATABASE_URL: url }, parseDatabaseConfig)
    expect(problems).toContain(problem)
    expect(problems).not.toContain('hunter2')
  })
})

describe('the bus section', () => {
  const bus = (environment: Environment) => readConfig(environment, { bus: busSection }).bus

  it('reads the ARN of an event bus', () => {
    const arn = 'arn:aws:events:eu-west-1:123456789012:event-bus/ctf'
    expect(bus({ EVENT_BUS_NAME: arn }).name).toBe(arn)
  })

  it('reports a value that is neither a name nor an ARN', () => {
    expect(problemsOf({ EVENT_BUS_NAME: 'a b' }, bus)).toContain('name or ARN')
  })
})

describe('the cluster section', () => {
  const eks = {
    EKS_CLUSTER_NAME: 'ctf',
    EKS_CLUSTER_ENDPOINT: 'https://x.eks.amazonaws.com',
    EKS_CLUSTER_CA: Buffer.from('-----BEGIN CERTIFICATE-----').toString('base64'),
    AWS_REGION: 'eu-west-1',
  }

  it('reads one cluster from a kubeconfig or from EKS variables', () => {
    expect(parseClusterConfig({ KUBECONFIG: '/k', KUBERNETES_SERVICE_HOST: '10.0.0.1' })).toEqual({
      kind: 'kubeconfig',
      path: '/k',
    })
    expect(parseClusterConfig(eks)).toMatchObject({ kind: 'eks', name: 'ctf', region: 'eu-west-1' })
  })

  it('reaches the API server of a pod by the address that Kubernetes gives it', () => {
    const hostOf = (KUBERNETES_SERVICE_HOST: string, KUBERNETES_SERVICE_PORT?: string) =>
      parseClusterConfig({ KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT })
    expect(hostOf('10.0.0.1')).toEqual({ kind: 'in-cluster', host: '10.0.0.1' })
    expect(hostOf('10.0.0.1', '443')).toEqual({ kind: 'in-cluster', host: '10.0.0.1' })
    expect(hostOf('fd00::1', '6443')).toEqual({ kind: 'in-cluster', host: '[fd00::1]:6443' })
  })

  it('reports every missing part of an EKS cluster', () => {
    expect(problemsOf({ EKS_CLUSTER_NAME: 'ctf' }, parseClusterConfig).split('\n')).toHaveLength(3)
  })

  it('reports two clusters, and none', () => {
    expect(problemsOf({ ...eks, KUBECONFIG: '/k' }, parseClusterConfig)).toContain('two clusters')
    expect(problemsOf({}, parseClusterConfig)).toContain('No cluster is given')
  })
})
