import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ensureQueues } from '../../lib/aws/queues.ts'
import type { ClusterConfig } from '../../lib/config/connections.ts'
import type { Environment } from '../../lib/config/section.ts'
import { openClient } from '../../lib/kubernetes/client/client.ts'
import { configuredConnection } from '../../lib/kubernetes/connection/configured-connection.ts'
import type { Connection } from '../../lib/kubernetes/connection/connection.ts'
import { version } from '../../lib/version.ts'
import { controlPlaneBinaries } from '../control-plane/binaries.ts'
import { startControlPlane } from '../control-plane/start.ts'
import { startEventBus } from './event-bus.ts'
import { type ExternalParts, externalParts, externalSqsOptions } from './external-parts.ts'
import type { PartAddresses } from './part-addresses.ts'
import { startPostgres } from './postgres.ts'
import { localCredentials, localRegion, startQueues } from './queues.ts'

export interface PartsOptions {
  env: Environment
  /** Where embedded parts keep their data. */
  directory: string
  print: (line: string) => void
}

/** The parts of one run, given and embedded. */
export interface Parts {
  addresses: PartAddresses
  embedded: { cluster: boolean; database: boolean }
  /** For `.local/env`. */
  variables: Record<string, string>
  /** Folder with kubectl and the like, where the cluster is embedded. */
  programs: string | undefined
  /** Rejects when an embedded part ends by itself. */
  died: Promise<never>
  stop(): Promise<void>
}

interface Part<T> {
  value: T
  variables: Record<string, string>
  programs?: string
  died?: Promise<never>
  stop(): Promise<void>
}

/** What the AWS command line and SDKs want beside an endpoint. */
const localAwsVariables = {
  AWS_REGION: localRegion,
  AWS_ACCESS_KEY_ID: localCredentials.accessKeyId,
  AWS_SECRET_ACCESS_KEY: localCredentials.secretAccessKey,
}

/** Uses what is given and starts the rest, side by side; if one cannot start, the others end again. */
export async function openParts(options: PartsOptions, signal: AbortSignal): Promise<Parts> {
  const given = externalParts(options.env)
  await mkdir(options.directory, { recursive: true, mode: 0o755 })
  const started: Part<unknown>[] = []
  const keep = async <T>(opening: Promise<Part<T>>): Promise<Part<T>> => {
    const part = await opening
    started.push(part)
    return part
  }
  const opening = [
    keep(openClusterPart(given, options, signal)),
    keep(openDatabasePart(given, options, signal)),
    keep(openQueuesPart(given, options, signal)),
    keep(openBusPart(given, options)),
  ] as const
  const stop = async () => void (await Promise.all(started.map(part => part.stop())))
  try {
    const [cluster, database, queues, bus] = await Promise.all(opening)
    const clients = new Map<string, ReturnType<typeof openClient>>()
    const clientFor = (name: string) => {
      const userAgent = `challenge-operator/${version} (${name})`
      const client = clients.get(name) ?? openClient({ connection: cluster.value, userAgent })
      clients.set(name, client)
      return client
    }
    const died = Promise.race(started.flatMap(part => part.died ?? []))
    died.catch(() => {})
    return {
      addresses: {
        clientFor,
        databaseUrl: database.value,
        queues: queues.value.urls,
        sqs: queues.value.client,
        bus: bus.value,
      },
      embedded: { cluster: given.cluster === undefined, database: given.databaseUrl === undefined },
      variables: Object.assign({}, ...started.map(part => part.variables)),
      programs: cluster.programs,
      died,
      async stop() {
        await Promise.all([...clients.values()].map(client => client.close()))
        await stop()
      },
    }
  } catch (thrown) {
    await Promise.allSettled(opening)
    await stop()
    throw thrown
  }
}

async function openClusterPart(
  given: ExternalParts,
  { env, directory, print }: PartsOptions,
  signal: AbortSignal,
): Promise<Part<Connection>> {
  if (given.cluster) {
    print(`cluster: given (${describe(given.cluster)})`)
    return { value: configuredConnection(given.cluster), variables: {}, stop: async () => {} }
  }
  print('cluster: none given (KUBECONFIG), so one is started')
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

async function openDatabasePart(
  given: ExternalParts,
  { env, directory, print }: PartsOptions,
  signal: AbortSignal,
): Promise<Part<string>> {
  if (given.databaseUrl !== undefined) {
    print('database: given (DATABASE_URL)')
    return { value: given.databaseUrl, variables: {}, stop: async () => {} }
  }
  print('database: none given (DATABASE_URL), so Postgres is started')
  const postgres = await startPostgres({ directory: join(directory, 'postgres'), env }, signal)
  print('database: ready')
  return {
    value: postgres.url,
    variables: { DATABASE_URL: postgres.url },
    died: postgres.died,
    stop: () => postgres.stop(),
  }
}

async function openQueuesPart(
  given: ExternalParts,
  { directory, print }: PartsOptions,
  signal: AbortSignal,
): Promise<Part<{ urls: PartAddresses['queues']; client: PartAddresses['sqs'] }>> {
  const idle = { variables: {}, stop: async () => {} }
  if (given.queues) {
    print('queues: given (CHANGES_QUEUE_URL, TIMERS_QUEUE_URL, DEAD_LETTERS_QUEUE_URL)')
    return { value: { urls: given.queues, client: externalSqsOptions(given) }, ...idle }
  }
  if (given.sqsEndpoint !== undefined) {
    print(`queues: at the given AWS_ENDPOINT_URL_SQS ${given.sqsEndpoint}`)
    const clientOptions = externalSqsOptions(given)
    return { value: { urls: await ensureQueues({ clientOptions }, signal), client: clientOptions }, ...idle }
  }
  print('queues: none given (AWS_ENDPOINT_URL_SQS), so an SQS server is started')
  const queues = await startQueues({ dataDir: join(directory, 'queues') }, signal)
  const { changesUrl, timersUrl, deadLettersUrl } = queues
  return {
    value: { urls: { changesUrl, timersUrl, deadLettersUrl }, client: queues.clientOptions },
    variables: {
      AWS_ENDPOINT_URL_SQS: queues.endpoint,
      CHANGES_QUEUE_URL: changesUrl,
      TIMERS_QUEUE_URL: timersUrl,
      DEAD_LETTERS_QUEUE_URL: deadLettersUrl,
      ...localAwsVariables,
    },
    stop: () => queues.stop(),
  }
}

async function openBusPart(
  given: ExternalParts,
  { print }: PartsOptions,
): Promise<Part<PartAddresses['bus']>> {
  if (given.bus) {
    print(`event bus: given (EVENT_BUS_NAME ${given.bus.name})`)
    return { value: { name: given.bus.name, clientOptions: {} }, variables: {}, stop: async () => {} }
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
