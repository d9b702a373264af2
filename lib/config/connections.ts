import { rdsRegion } from './rds-host.ts'
import type { SecretReference } from './secret-reference.ts'
import { type Environment, readConfig, type Section, type Variables } from './section.ts'

export interface DatabaseConfig {
  /** Contains the password, so only the driver may have it. Undefined: the secret has the whole address. */
  url: string | undefined
  /** The secret with the URL, or with the user and password for `url`. */
  secret: SecretReference | undefined
  /** Who is authenticated by IAM: a token takes the place of the password. */
  iam: IamUser | undefined
}

/** A user of Postgres with the role `rds_iam`. */
export interface IamUser {
  host: string
  port: number
  user: string
  region: string
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
  const { value: text, reference } = variables.secret('DATABASE_URL')
  const iam = variables.oneOf('DATABASE_IAM', ['true', 'false']) === 'true'
  if (text === undefined && reference === undefined)
    variables.required('DATABASE_URL', `give Postgres as ${form}, or by DATABASE_URL_SECRET_ARN`)
  const url = text === undefined ? null : URL.parse(text)
  // The problem does not show the value, which contains a password.
  if (text !== undefined && !/^postgres(ql)?:$/.test(url?.protocol ?? ''))
    variables.addProblem(`DATABASE_URL is no Postgres URL; write ${form}`)
  if (url?.password && reference !== undefined)
    variables.addProblem(
      'DATABASE_URL has a password, and DATABASE_URL_SECRET_ARN names one; remove it from the URL',
    )
  return { url: text, secret: reference, iam: iam ? iamUser(variables, url, reference) : undefined }
}

/** IAM proves who we are, so there is no password, and RDS accepts its tokens by TLS only. */
function iamUser(
  variables: Variables,
  url: URL | null,
  reference: SecretReference | undefined,
): IamUser | undefined {
  if (reference !== undefined)
    variables.addProblem('DATABASE_IAM and DATABASE_URL_SECRET_ARN exclude each other; unset one of them')
  if (url === null) return undefined
  if (url.password) variables.addProblem('DATABASE_IAM is set, so DATABASE_URL must have no password')
  if (!url.username) variables.addProblem('DATABASE_IAM needs the name of a user in DATABASE_URL')
  if (['disable', 'no-verify'].includes(url.searchParams.get('sslmode') ?? ''))
    variables.addProblem('DATABASE_IAM needs TLS; write sslmode=verify-full in DATABASE_URL')
  const region = rdsRegion(url.hostname) ?? variables.required('AWS_REGION', 'DATABASE_IAM needs it')
  return {
    host: url.hostname,
    port: Number(url.port || 5432),
    user: decodeURIComponent(url.username),
    region,
  }
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
