import { type Environment, readConfig, type Section, type Variables } from './section.ts'

export interface DatabaseConfig {
  /** Contains the password, so only the driver may have it. */
  url: string
}

export interface QueueConfig {
  changesUrl: string
  timersUrl: string
  deadLettersUrl: string
}

export interface SweepsConfig {
  sweepsUrl: string
}

export interface BusConfig {
  /** Name or ARN of the event bus. */
  name: string
}

export type ClusterConfig =
  | { kind: 'kubeconfig'; path: string }
  /** `ca` is base64 of PEM, the form that EKS gives it in. */
  | { kind: 'eks'; name: string; endpoint: string; ca: string; region: string }
  /** `host` is where the pod reaches the API server, a name or an address with its port. */
  | { kind: 'in-cluster'; host: string }

export const databaseSection: Section<DatabaseConfig> = variables => {
  const form = 'postgres://user:password@host:5432/database'
  const url = variables.secret('DATABASE_URL')
  if (url === undefined) return { url: variables.required('DATABASE_URL', `give Postgres as ${form}`) }
  // The problem does not show the value, which contains a password.
  if (!/^postgres(ql)?:$/.test(URL.parse(url)?.protocol ?? ''))
    variables.addProblem(`DATABASE_URL is no Postgres URL; write ${form}`)
  return { url }
}

export const queueSection: Section<QueueConfig> = variables => ({
  changesUrl: queueUrl(variables, { name: 'CHANGES_QUEUE_URL', kind: 'FIFO' }),
  timersUrl: queueUrl(variables, { name: 'TIMERS_QUEUE_URL', kind: 'standard' }),
  deadLettersUrl: queueUrl(variables, { name: 'DEAD_LETTERS_QUEUE_URL', kind: 'FIFO' }),
})

export const sweepsSection: Section<SweepsConfig> = variables => ({
  sweepsUrl: queueUrl(variables, { name: 'SWEEPS_QUEUE_URL', kind: 'standard' }),
})

const busName = /^(arn:[-a-z]+:events:[-a-z0-9]+:\d{12}:event-bus\/)?[-/.\w]{1,256}$/

export const busSection: Section<BusConfig> = variables => {
  const expected = 'the name or ARN of an event bus'
  const name = variables.required('EVENT_BUS_NAME', `give ${expected}`)
  return { name: variables.matching('EVENT_BUS_NAME', busName, expected) ?? name }
}

/** Outside of Lambda an event bus is optional: without one nothing is published. */
export const optionalBusSection: Section<BusConfig | undefined> = variables =>
  variables.text('EVENT_BUS_NAME') === undefined ? undefined : busSection(variables)

export const clusterSection: Section<ClusterConfig> = variables => {
  const path = variables.text('KUBECONFIG')
  const eks = ['NAME', 'ENDPOINT', 'CA']
    .map(part => `EKS_CLUSTER_${part}`)
    .filter(name => variables.text(name))
  if (path !== undefined && eks.length > 0)
    variables.addProblem(`KUBECONFIG and ${eks[0]} name two clusters; unset one of them`)
  if (path !== undefined) return { kind: 'kubeconfig', path }
  if (eks.length > 0) return eksCluster(variables)
  return { kind: 'in-cluster', host: inClusterHost(variables) }
}

/** Reads the two variables that Kubernetes sets in every pod. The API server's certificate names this address. */
function inClusterHost(variables: Variables): string {
  const host = variables.text('KUBERNETES_SERVICE_HOST')
  if (host === undefined) {
    variables.addProblem(
      'No cluster is given; set KUBECONFIG, or EKS_CLUSTER_NAME, EKS_CLUSTER_ENDPOINT and EKS_CLUSTER_CA',
    )
    return ''
  }
  const name = host.includes(':') ? `[${host}]` : host
  const port = variables.matching('KUBERNETES_SERVICE_PORT', /^\d{1,5}$/, 'a port') ?? '443'
  return port === '443' ? name : `${name}:${port}`
}

/** @throws OperatorMisconfigured */
export function parseDatabaseConfig(environment: Environment): DatabaseConfig {
  return readConfig(environment, { database: databaseSection }).database
}

/** The queues of all functions together. @throws OperatorMisconfigured */
export function parseQueueConfig(environment: Environment): QueueConfig & SweepsConfig {
  const { queues, sweeps } = readConfig(environment, { queues: queueSection, sweeps: sweepsSection })
  return { ...queues, ...sweeps }
}

/** @throws OperatorMisconfigured */
export function parseClusterConfig(environment: Environment): ClusterConfig {
  return readConfig(environment, { cluster: clusterSection }).cluster
}

function eksCluster(variables: Variables): ClusterConfig {
  const why = 'an EKS cluster needs it'
  const name = variables.required('EKS_CLUSTER_NAME', why)
  const endpoint = variables.required('EKS_CLUSTER_ENDPOINT', why)
  const ca = variables.required('EKS_CLUSTER_CA', why)
  const region = variables.required('AWS_REGION', why)
  if (endpoint !== '' && URL.parse(endpoint)?.protocol !== 'https:')
    variables.addProblem(
      `EKS_CLUSTER_ENDPOINT is ${JSON.stringify(endpoint.slice(0, 80))}; write an https URL`,
    )
  if (ca !== '' && !Buffer.from(ca, 'base64').toString().includes('BEGIN CERTIFICATE'))
    variables.addProblem('EKS_CLUSTER_CA is no certificate; write the base64 of its PEM, as EKS gives it')
  return { kind: 'eks', name, endpoint, ca, region }
}

interface QueueVariable {
  name: string
  kind: 'FIFO' | 'standard'
}

function queueUrl(variables: Variables, { name, kind }: QueueVariable): string {
  const url = variables.required(name, 'give the URL of the SQS queue')
  if (url === '') return url
  const parsed = URL.parse(url)
  if (!/^https?:$/.test(parsed?.protocol ?? ''))
    variables.addProblem(
      `${name} is ${JSON.stringify(url.slice(0, 80))}; write the http(s) URL of an SQS queue`,
    )
  else if (parsed?.pathname.endsWith('.fifo') !== (kind === 'FIFO'))
    variables.addProblem(
      kind === 'FIFO'
        ? `${name} names a standard queue; it must be a FIFO queue, whose name ends in .fifo`
        : `${name} names a FIFO queue; it must be a standard queue, which can delay each message`,
    )
  return url
}
