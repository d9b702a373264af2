import { dirname, join } from 'node:path'
import { ensureQueues } from '../../lib/aws/queues.ts'
import type { ClusterConfig } from '../../lib/config/connections.ts'
import type { Environment } from '../../lib/config/section.ts'
import type { Connection } from '../../lib/kubernetes/connection/connection.ts'
import { configuredConnection } from '../../lib/kubernetes/connection/connection.ts'
import type { DatabaseAddress } from '../../lib/store/pools.ts'
import { controlPlaneBinaries } from '../control-plane/binaries.ts'
import { startControlPlane } from '../control-plane/start.ts'
import { startEventBus } from './event-bus.ts'
import { type ExternalParts, externalSqsOptions } from './external-parts.ts'
import type { PartAddresses } from './part-addresses.ts'
import { startPostgres } from './postgres.ts'
import { localCredentials, localRegion, startQueues } from './queues.ts'

export interface PartsOptions {
  env: Environment
  /** Folder in which parts that are started keep their data. */
  directory: string
  print: (line: string) => void
}

/** One part, external or started here. */
export interface Part<T> {
  value: T
  /** Environment variables that name a started part. Empty for an external one, which the environment names already. */
  variables: Record<string, string>
  programs?: string
  died?: Promise<never>
  stop(): Promise<void>
}

/** The AWS command line and SDKs ask for these besides an endpoint. */
const localAwsVariables = {
  AWS_REGION: localRegion,
  AWS_ACCESS_KEY_ID: localCredentials.accessKeyId,
  AWS_SECRET_ACCESS_KEY: localCredentials.secretAccessKey,
}

export async function openClusterPart(
  external: ExternalParts,
  { env, directory, print }: PartsOptions,
  signal: AbortSignal,
): Promise<Part<Connection>> {
  if (external.cluster) {
    print(`cluster: external, ${describe(external.cluster)}`)
    return { value: configuredConnection(external.cluster), variables: {}, stop: async () => {} }
  }
  print('cluster: KUBECONFIG is not set, so a control plane is started')
  const binaries = await controlPlaneBinaries({ env, progress: print }, signal)
  const plane = await startControlPlane(
    { directory: join(directory, 'control-plane'), binaries, env },
    signal,
  )
  print(`cluster: ready at ${plane.server}`)
  return {
    value: { kind: 'kubeconfig', path: plane.kubeconfig },
    variables: { KUBECONFIG: plane.kubeconfig },
    programs: dirname(binaries.kubectl),
    died: plane.died,
    stop: () => plane.stop(),
  }
}

function describe(cluster: ClusterConfig): string {
  return cluster.kind === 'kubeconfig' ? `KUBECONFIG ${cluster.path}` : cluster.kind
}

export async function openDatabasePart(
  external: ExternalParts,
  { env, directory, print }: PartsOptions,
  signal: AbortSignal,
): Promise<Part<string | DatabaseAddress>> {
  if (external.databaseUrl !== undefined) {
    print('database: external, DATABASE_URL')
    return { value: external.databaseUrl, variables: {}, stop: async () => {} }
  }
  print('database: DATABASE_URL is not set, so Postgres is started')
  const inside = join(directory, 'postgres')
  const postgres = await startPostgres({ directory: inside, env }, signal)
  const { dataDirectory } = postgres
  const moved = `; its data is in ${dataDirectory}, because Postgres does not run as root`
  print(`database: ready${dataDirectory === inside ? '' : moved}`)
  return {
    value: postgres.url,
    variables: { DATABASE_URL: postgres.url },
    died: postgres.died,
    stop: () => postgres.stop(),
  }
}

export async function openQueuesPart(
  external: ExternalParts,
  { directory, print }: PartsOptions,
  signal: AbortSignal,
): Promise<Part<{ urls: PartAddresses['queues']; client: PartAddresses['sqs'] }>> {
  const idle = { variables: {}, stop: async () => {} }
  if (external.queues) {
    print(
      'queues: external, CHANGES_QUEUE_URL, TIMERS_QUEUE_URL, SWEEPS_QUEUE_URL and DEAD_LETTERS_QUEUE_URL',
    )
    return { value: { urls: external.queues, client: externalSqsOptions(external) }, ...idle }
  }
  if (external.sqsEndpoint !== undefined) {
    print(`queues: external, AWS_ENDPOINT_URL_SQS ${external.sqsEndpoint}`)
    const clientOptions = externalSqsOptions(external)
    return { value: { urls: await ensureQueues({ clientOptions }, signal), client: clientOptions }, ...idle }
  }
  print('queues: AWS_ENDPOINT_URL_SQS is not set, so an SQS server is started')
  const queues = await startQueues({ dataDir: join(directory, 'queues') }, signal)
  const { changesUrl, timersUrl, sweepsUrl, deadLettersUrl } = queues
  return {
    value: { urls: { changesUrl, timersUrl, sweepsUrl, deadLettersUrl }, client: queues.clientOptions },
    variables: {
      AWS_ENDPOINT_URL_SQS: queues.endpoint,
      CHANGES_QUEUE_URL: changesUrl,
      TIMERS_QUEUE_URL: timersUrl,
      SWEEPS_QUEUE_URL: sweepsUrl,
      DEAD_LETTERS_QUEUE_URL: deadLettersUrl,
      ...localAwsVariables,
    },
    stop: () => queues.stop(),
  }
}

export async function openBusPart(
  external: ExternalParts,
  { print }: PartsOptions,
): Promise<Part<PartAddresses['bus']>> {
  if (external.bus) {
    print(`event bus: external, EVENT_BUS_NAME ${external.bus.name}`)
    return { value: { name: external.bus.name, clientOptions: {} }, variables: {}, stop: async () => {} }
  }
  const bus = await startEventBus({})
  const name = 'challenge-operator'
  return {
    value: {
      name,
      clientOptions: { endpoint: bus.endpoint, region: localRegion, credentials: localCredentials },
    },
    variables: { AWS_ENDPOINT_URL_EVENTBRIDGE: bus.endpoint, EVENT_BUS_NAME: name, ...localAwsVariables },
    stop: () => bus.stop(),
  }
}
