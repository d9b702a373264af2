import { clientFor } from '../../functions/cluster.ts'
import { databaseAddress } from '../../functions/database.ts'
import { sections as publishSections } from '../../functions/publish/sections.ts'
import { sections as reconcileSections } from '../../functions/reconcile/sections.ts'
import type { SecretAccess } from '../../functions/secrets.ts'
import { sections as sweepSections } from '../../functions/sweep/sections.ts'
import { sections as timerSections } from '../../functions/timer/sections.ts'
import { sections as forwarderSections } from '../../functions/watch-forwarder/sections.ts'
import { openSecretReader } from '../../lib/aws/secret-reader.ts'
import {
  clusterSection,
  databaseSection,
  optionalBusSection,
  queueSection,
  sweepsSection,
} from '../../lib/config/connections.ts'
import { operatorSection } from '../../lib/config/operator.ts'
import { secretsSection } from '../../lib/config/secrets.ts'
import {
  type Environment,
  OperatorMisconfigured,
  readConfig,
  type Section,
} from '../../lib/config/section.ts'
import { keepHeapSmall } from '../../lib/forward/dispatch/heap.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import type { Log } from '../../lib/telemetry/log.ts'
import { openLogger } from '../../lib/telemetry/logger.ts'
import type { PrometheusMetrics } from '../../lib/telemetry/prometheus-metrics.ts'
import { version } from '../../lib/version.ts'
import { openHealth } from '../health/open-health.ts'
import { composeOperator } from '../lambda/compose.ts'
import { type ComposedFunction, composedFunctions } from '../lambda/composed-functions.ts'
import { createLeadership, type Leadership } from '../lambda/leadership.ts'
import { externalSqsOptions } from '../parts/external-parts.ts'
import type { PartAddresses } from '../parts/part-addresses.ts'

/** @param names functions as the command line names them; none: all */
export function functionsOf(names: readonly string[]): ComposedFunction[] {
  const wanted = names.map(name => (name === 'forward' ? 'watch-forwarder' : name))
  return composedFunctions.filter(name => wanted.length === 0 || wanted.includes(name))
}

export interface RunOptions {
  env: Environment
  functions: readonly ComposedFunction[]
  /** Default: that of the configuration. */
  healthPort: number | undefined
}

/**
 * `challenge-operator run`: functions in one process of several, for a container. Parts are external, and CRDs and tables
 * are installed by other commands. With the forwarder in it, sweep and publish run only in the process that leads.
 *
 * Resolves after `stopping`, in this order: no poll of a queue begins any more, the last polls and the passes in flight end
 * (within 20 s), and the lease is given up. Rejects with what a function cannot go on after.
 */
export async function runFunctions(options: RunOptions, stopping: AbortSignal): Promise<void> {
  const { operator: config, ...connections } = readConnections(options)
  const log = openLogger({ level: config.logLevel, service: 'challenge-operator' })
  if (options.functions.every(name => name === 'watch-forwarder')) keepHeapSmall()
  const clients = new Map<string, KubernetesClient>()
  const access = { read: openSecretReader(connections.secrets), log }
  const addresses = addressesOf({ ...options, access }, connections, clients)
  const functions = options.functions.filter(name => name !== 'publish' || addresses.bus !== undefined)
  const port = options.healthPort ?? config.healthPort
  const health = await openHealth({ addresses, functions, port }, log)
  const { prometheus, pulse } = health
  stopping.addEventListener('abort', () => log.info('the operator is asked to end'), { once: true })
  try {
    sayWhatRuns(functions, addresses, { log, port: health.port })
    const operator = composeOperator(addresses, config, log, {
      functions,
      pulse,
      checksSchema: true,
      finishesPolls: true,
      metrics: prometheus.metrics,
      ...(functions.includes('watch-forwarder') ? { leadership: leadershipWith(prometheus) } : {}),
    })
    await operator.run(stopping)
    log.info('the operator has ended in order')
  } finally {
    await health.close()
    await Promise.allSettled([...clients.values()].map(client => client.close()))
  }
}

/** A process that has lost the lead sweeps and publishes no more, so its last values would stay for ever. */
function leadershipWith({ resetGauges }: PrometheusMetrics): Leadership {
  const leadership = createLeadership()
  return {
    ...leadership,
    lose() {
      leadership.lose()
      resetGauges()
    },
  }
}

/** Writes the end of a run that failed as a line of its log. */
export function logFailure(thrown: Error): void {
  openLogger({ level: 'info', service: 'challenge-operator' }).error('the operator cannot run', {
    error: thrown,
  })
}

function sayWhatRuns(
  functions: readonly ComposedFunction[],
  { bus }: PartAddresses,
  { log, port }: { log: Log; port: number },
): void {
  log.info('the operator is running', { functions, version, healthPort: port })
  if (bus === undefined) log.info('nothing is published, because EVENT_BUS_NAME is not set')
}

/** What each deployed function reads. Only an event bus may be absent here. */
const sectionsOf: Readonly<Record<ComposedFunction, Record<string, unknown>>> = {
  'watch-forwarder': forwarderSections,
  reconcile: reconcileSections,
  timer: timerSections,
  sweep: sweepSections,
  publish: publishSections,
}

/** @throws OperatorMisconfigured with the problems of everything that the functions need */
function readConnections({ env, functions }: RunOptions) {
  const needed = <T>(part: string, section: Section<T>): Section<T | undefined> =>
    functions.some(name => part in sectionsOf[name]) ? section : () => undefined
  const config = readConfig(env, {
    operator: operatorSection,
    cluster: needed('cluster', clusterSection),
    database: needed('database', databaseSection),
    queues: needed('queues', queueSection),
    sweeps: needed('next', sweepsSection),
    bus: optionalBusSection,
    secrets: secretsSection,
  })
  if (config.bus === undefined && functions.every(name => name === 'publish'))
    throw new OperatorMisconfigured(['EVENT_BUS_NAME is not set, and publish has nothing else to do'])
  return config
}

type Connections = Omit<ReturnType<typeof readConnections>, 'operator'>

function addressesOf(
  { env, access }: Pick<RunOptions, 'env'> & { access: SecretAccess },
  { cluster, database, queues, sweeps, bus }: Connections,
  clients: Map<string, KubernetesClient>,
): PartAddresses {
  return {
    clientFor(name) {
      if (cluster === undefined) throw new Error(`${name} needs no cluster`)
      const client = clients.get(name) ?? clientFor(name, cluster)
      clients.set(name, client)
      return client
    },
    // A function that needs no database or queue never opens it.
    databaseUrl: database ? databaseAddress(database, access) : '',
    queues: { changesUrl: '', timersUrl: '', deadLettersUrl: '', sweepsUrl: '', ...queues, ...sweeps },
    sqs: externalSqsOptions({ sqsEndpoint: env.AWS_ENDPOINT_URL_SQS || undefined }),
    bus: bus && { name: bus.name, clientOptions: {} },
    readSecret: access.read,
  }
}
