import type { Kysely } from 'kysely'
import type { QueueUrls } from '../../lib/aws/queues.ts'
import type { SqsClientOptions } from '../../lib/aws/sqs-client.ts'
import { type OperatorConfig, parseOperatorConfig } from '../../lib/config/operator.ts'
import { placesElsewhere } from '../../lib/config/placement.ts'
import { openClient } from '../../lib/kubernetes/client/client.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import type { Cluster } from '../../lib/kubernetes/cluster.ts'
import { functionsWithRights } from '../../lib/kubernetes/install/accounts.ts'
import { openCluster } from '../../lib/kubernetes/open-cluster.ts'
import { openDatabase } from '../../lib/store/database.ts'
import { migrate } from '../../lib/store/migrate.ts'
import { openStore } from '../../lib/store/open-store.ts'
import { createPlatformTables } from '../../lib/store/platform-tables.ts'
import type { LocalEventBus } from '../../local/parts/event-bus.ts'
import type { PartAddresses } from '../../local/parts/part-addresses.ts'
import { localCredentials, localRegion } from '../../local/parts/queues.ts'
import { startTestEventBus } from './event-bus.ts'
import { type OperatorAccounts, openOperatorAccounts, refuseAdministrator } from './operator-accounts.ts'
import { migratedDatabase, sharedControlPlane, testNamespace, testQueues } from './shared-parts.ts'

export const flagSecret = 'a'.repeat(64)
export const pepper = 'pepper'

export interface OperatorPartsOptions {
  /**
   * A cluster of the test's own, of which this namespace is used; default: `default`. Without it a new namespace of the
   * run's control plane.
   */
  plane?: { kubeconfig: string; namespace?: string } | undefined
  /** Default: a new database on the run's server. */
  databaseUrl?: string | undefined
  /** Default: new queues on the run's server. */
  queues?: (QueueUrls & { clientOptions: SqsClientOptions }) | undefined
  env?: Record<string, string> | undefined
  /** Namespaces that the operator watches besides its own. */
  moreNamespaces?: string[] | undefined
  /** Slugs of the challenges that the platform knows. */
  challenges?: string[] | undefined
  /** Ids of the teams that the platform knows. */
  teams?: number[] | undefined
  /**
   * The kubeconfig with which a function calls the API server. It may not be an administrator's. Default: that of an account
   * which has the rights of the function's roles, where the operator's configuration needs them.
   */
  kubeconfigOf?: ((functionName: string) => string) | undefined
  /** The URL by which a function reaches the API server. Default: the server's own. */
  serverOf?: ((functionName: string) => string | undefined) | undefined
  /** Wraps the client of a function. */
  client?: ((functionName: string, inner: KubernetesClient) => KubernetesClient) | undefined
}

/** The parts that an operator in a test runs over, and what the test needs to look at them. */
export interface OperatorParts {
  namespace: string
  config: OperatorConfig
  addresses: PartAddresses & { queues: QueueUrls }
  /** Opens a client with the rights of this function. */
  clientFor(functionName: string): KubernetesClient
  accounts: OperatorAccounts
  /** The administrator's client, for calls that `Cluster` does not have. */
  client: KubernetesClient
  cluster: Cluster
  // biome-ignore lint/suspicious/noExplicitAny: rows of our tables and the platform's, as they are stored
  database: Kysely<any>
  databaseUrl: string
  bus: LocalEventBus
  /** Types of the events of one instance, in order. */
  events(uid: string): string[]
  /** Aborts when the test ends. */
  signal: AbortSignal
  /** Aborts `signal`, waits for `running`, then removes everything that was made. */
  stop(running: Promise<unknown>): Promise<void>
}

/** Makes a namespace, a migrated database with the platform's tables, queues and an event bus. */
export async function openOperatorParts(options: OperatorPartsOptions): Promise<OperatorParts> {
  const ending = new AbortController()
  const { signal } = ending
  const plane = options.plane ?? sharedControlPlane()
  if (options.kubeconfigOf !== undefined)
    for (const name of functionsWithRights) await refuseAdministrator(options.kubeconfigOf(name), signal)
  const [namespace, db, queues, bus] = await Promise.all([
    options.plane ? { name: options.plane.namespace ?? 'default' } : testNamespace(),
    options.databaseUrl ? { url: options.databaseUrl, remove: async () => {} } : migratedDatabase(),
    options.queues ?? testQueues(),
    startTestEventBus(),
  ])
  const config = parseOperatorConfig({
    OPERATOR_NAMESPACE: [namespace.name, ...(options.moreNamespaces ?? [])].join(','),
    FLAG_SECRET: flagSecret,
    FLAG_HMAC_PEPPER: pepper,
    ...options.env,
  })
  const clients: KubernetesClient[] = []
  const open = (name: string, path: string) => {
    const connection = { kind: 'kubeconfig', path } as const
    const userAgent = `challenge-operator/test (${name})`
    // A test waits for a busy machine, where a function comes back later.
    const patience = name === 'test' ? { callMs: 60_000 } : {}
    const client = openClient({ connection, userAgent, ...patience })
    clients.push(client)
    return options.client?.(name, client) ?? client
  }
  const opened = openDatabase({ url: db.url, max: 8, applicationName: 'test' })
  if (options.databaseUrl) await migrate(opened, signal)
  const database = opened as unknown as OperatorParts['database']
  const { challenges = ['web', 'pwn'], teams = [1, 2, 3, 7] } = options
  await createPlatformTables(database, { challenges, teams }, signal)
  const client = open('test', plane.kubeconfig)
  const cluster = openCluster(client)
  await markOldAndWhole(database, await cluster.uid(signal), signal)
  const accounts = await openOperatorAccounts(client, plane.kubeconfig, options.serverOf)
  const { kubeconfigOf = accounts.kubeconfigOf } = options
  const clientFor = (name: string) => open(name, kubeconfigOf(name))
  const { namespaces, placement } = config
  if (options.kubeconfigOf === undefined)
    await accounts.bind({ namespaces, placesElsewhere: placesElsewhere(placement) }, signal)
  return {
    namespace: namespace.name,
    config,
    addresses: {
      clientFor,
      databaseUrl: db.url,
      queues,
      sqs: queues.clientOptions,
      bus: {
        name: 'test',
        clientOptions: { endpoint: bus.endpoint, region: localRegion, credentials: localCredentials },
      },
    },
    clientFor,
    accounts,
    client,
    cluster,
    database,
    databaseUrl: db.url,
    bus,
    events: uid =>
      bus
        .events()
        .filter(event => (event.detail as { uid?: string }).uid === uid)
        .map(event => event.detailType),
    signal,
    async stop(running) {
      ending.abort()
      await running
      await database.destroy()
      await accounts.remove()
      await Promise.all(clients.map(each => each.close()))
      await bus.stop()
      await db.remove()
    },
  }
}

/** As the sweep of an operator does that has run on the database for long, so that limits count from the first instance on. */
async function markOldAndWhole(
  database: OperatorParts['database'],
  cluster: string,
  signal: AbortSignal,
): Promise<void> {
  await openStore(database).markRowsWhole(cluster, signal)
  await database
    .updateTable('challenge_operator.whole_cluster')
    .set({ since: '2020-01-01T00:00:00Z' })
    .execute()
}
