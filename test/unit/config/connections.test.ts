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
