import { randomUUID } from 'node:crypto'
import type { Kysely } from 'kysely'
import { createHandler as reconcileHandler } from '../../functions/reconcile/handler.ts'
import { createHandler as timerHandler } from '../../functions/timer/handler.ts'
import { openEventBus } from '../../lib/aws/eventbridge.ts'
import type { ChangesQueue } from '../../lib/aws/queue-ports.ts'
import type { QueueUrls } from '../../lib/aws/queues.ts'
import { openReceiver } from '../../lib/aws/receiver.ts'
import { openQueues, type Queues } from '../../lib/aws/sqs.ts'
import type { SqsClientOptions } from '../../lib/aws/sqs-client.ts'
import { parseOperatorConfig } from '../../lib/config/operator.ts'
import { createForward, type ForwardDependencies } from '../../lib/forward.ts'
import { type KubernetesClient, openClient } from '../../lib/kubernetes/client/client.ts'
import { elect } from '../../lib/kubernetes/lease/elect.ts'
import { leaseNamespace } from '../../lib/kubernetes/lease/lease-namespace.ts'
import type { LeaseTimes } from '../../lib/kubernetes/lease/record.ts'
import { openCluster } from '../../lib/kubernetes/open-cluster.ts'
import type { WatchTimes } from '../../lib/kubernetes/watch/stream.ts'
import { watch } from '../../lib/kubernetes/watch/watch.ts'
import { createPublish } from '../../lib/publish.ts'
import type { Reconcile } from '../../lib/reconcile/outcome.ts'
import { createReconcile } from '../../lib/reconcile/reconcile.ts'
import { openDatabase } from '../../lib/store/database.ts'
import { migrate } from '../../lib/store/migrate.ts'
import { openOutbox, openStore } from '../../lib/store/open-store.ts'
import { layPlatformTables } from '../../lib/store/platform-tables.ts'
import type { Store } from '../../lib/store/store.ts'
import { createSweep, type Sweep } from '../../lib/sweep.ts'
import { type Log, silentLog } from '../../lib/telemetry/log.ts'
import { runMapping } from '../../local/lambda/event-source-mapping.ts'
import { localCredentials, localRegion } from '../../local/parts/queues.ts'
import { startTestEventBus } from './event-bus.ts'
import { flagSecret, pepper, type TestOperator } from './operator.ts'
import { sharedControlPlane, testDatabase, testNamespace, testQueues } from './shared-parts.ts'

export interface ForwarderOptions {
  client?: KubernetesClient
  changes?: Pick<ChangesQueue, 'sendBatch'>
  watch?: (inner: ForwardDependencies['watch']) => ForwardDependencies['watch']
  watchTimes?: Partial<WatchTimes>
  leaseTimes?: Partial<LeaseTimes>
  now?: ForwardDependencies['now']
  timers?: ForwardDependencies['timers']
}

export interface FaultyOperatorOptions {
  /** Default: the run's; then the namespace is `default`. */
  plane?: { kubeconfig: string }
  databaseUrl?: string
  env?: Record<string, string>
  challenges?: string[]
  teams?: number[]
  /** The queue as forwarder, timer and sweep see it. */
  changes?: (inner: ChangesQueue) => ChangesQueue
  store?: (inner: Store) => Store
  /** Of the forwarder that is started along; `false`: none is. */
  forwarder?: ForwarderOptions | false
  log?: Log
}

export interface SeenPass {
  name: string
  causes: string[]
  outcome: string
}

export interface FaultyOperator extends TestOperator {
  /** Every pass that ended, oldest first. */
  passes: SeenPass[]
  queues: Queues & QueueUrls & { clientOptions: SqsClientOptions }
  clientFor(name: string): KubernetesClient
  store: Store
  sweep: Sweep
  /** A forwarder more. Its end gives up the lease, unless its client is dead. */
  startForwarder(options?: ForwarderOptions): { stop(): Promise<void> }
}

/** A resync as one in two minutes would do it: what is young by the clock counts as left behind. */
const sweepAheadMs = 121_000

/** The functions over real parts as `composeOperator` wires them, with a place for a fault at each seam. */
export async function startFaultyOperator(options: FaultyOperatorOptions = {}): Promise<FaultyOperator> {
  const { log = silentLog } = options
  const ending = new AbortController()
  const { signal } = ending
  const [namespace, db, urls, bus] = await Promise.all([
    options.plane ? { name: 'default', remove: async () => {} } : testNamespace('chaos'),
    options.databaseUrl ? { url: options.databaseUrl, remove: async () => {} } : testDatabase(),
    testQueues({ changesVisibility: 5, timersVisibility: 3 }),
    startTestEventBus(),
  ])
  const config = parseOperatorConfig({
    OPERATOR_NAMESPACE: namespace.name,
    FLAG_SECRET: flagSecret,
    FLAG_HMAC_PEPPER: pepper,
    ...options.env,
  })
  const path = (options.plane ?? sharedControlPlane()).kubeconfig
  const clients: KubernetesClient[] = []
  const clientFor = (name: string) => {
    const connection = { kind: 'kubeconfig', path } as const
    const client = openClient({ connection, userAgent: `challenge-operator/test (${name})` })
    clients.push(client)
    return client
  }
  const database = openDatabase({ url: db.url, max: 8, applicationName: 'test' })
  await migrate(database, signal)
  // biome-ignore lint/suspicious/noExplicitAny: rows as they come, of our tables and the platform's
  const anyTables = database as unknown as Kysely<any>
  const { challenges = ['web'], teams = [1, 2, 3, 7] } = options
  await layPlatformTables(anyTables, { challenges, teams }, signal)

  const { clientOptions } = urls
  const queues = openQueues(urls)
  const changes = options.changes?.(queues.changes) ?? queues.changes
  const store = options.store?.(openStore(database)) ?? openStore(database)
  const credentials = { region: localRegion, credentials: localCredentials }
  const eventBus = openEventBus({
    busName: 'test',
    clientOptions: { endpoint: bus.endpoint, ...credentials },
  })
  const passes: SeenPass[] = []
  const reconcile = createReconcile({
    cluster: openCluster(clientFor('reconcile')),
    store,
    config,
    now: Date.now,
    random: Math.random,
  })
  const seen: Reconcile = async (pass, until) => {
    const result = await reconcile(pass, until)
    passes.push({ name: pass.name, causes: [...pass.causes], outcome: result.outcome.kind })
    return result
  }
  const publish = createPublish({ outbox: openOutbox(database), bus: eventBus, log })
  const handlers = {
    reconcile: reconcileHandler({ ...queues, reconcile: seen, publish, log }),
    timer: timerHandler({ ...queues, changes, log }),
  }
  const mapping = (name: 'reconcile' | 'timer', queueUrl: string, workers: number) =>
    runMapping(
      {
        name,
        receiver: openReceiver({ queueUrl, clientOptions }),
        handler: handlers[name],
        workers,
        timeoutMs: 60_000,
        log,
      },
      signal,
    )
  const running: Promise<unknown>[] = [
    mapping('reconcile', urls.changesUrl, 4),
    mapping('timer', urls.timersUrl, 2),
  ]

  const startForwarder = (own: ForwarderOptions = {}) => {
    const stopping = new AbortController()
    const client = own.client ?? clientFor('watch-forwarder')
    const inner: ForwardDependencies['watch'] = (target, handlers, until) =>
      watch(client, target, handlers, { log, times: own.watchTimes ?? {} }, until)
    const forward = createForward({
      watch: own.watch?.(inner) ?? inner,
      elect: (callbacks, until) =>
        elect(
          {
            client,
            namespace: leaseNamespace(config.namespaces),
            identity: randomUUID(),
            log,
            times: own.leaseTimes ?? {},
            ...callbacks,
          },
          until,
        ),
      changes: own.changes ?? changes,
      namespaces: config.namespaces,
      log,
      now: own.now ?? Date.now,
      ...(own.timers === undefined ? {} : { timers: own.timers }),
    })
    const done = forward(AbortSignal.any([signal, stopping.signal]))
    running.push(done)
    return {
      async stop() {
        stopping.abort()
        await done
      },
    }
  }
  if (options.forwarder !== false) startForwarder(options.forwarder)

  const client = clientFor('test')
  return {
    namespace: namespace.name,
    client,
    clientFor,
    cluster: openCluster(client),
    config,
    database: anyTables,
    databaseUrl: db.url,
    events: uid =>
      bus
        .events()
        .filter(event => (event.detail as { uid?: string }).uid === uid)
        .map(event => event.detailType),
    signal,
    passes,
    queues: { ...queues, ...urls },
    store,
    sweep: createSweep({
      cluster: openCluster(clientFor('sweep')),
      store,
      changes,
      namespaces: config.namespaces,
      intervalSeconds: config.intervalSeconds,
      now: () => Date.now() + sweepAheadMs,
      log,
    }),
    startForwarder,
    async stop() {
      ending.abort()
      await Promise.all(running)
      queues.close()
      await database.destroy()
      await Promise.all(clients.map(each => each.close()))
      await bus.stop()
      await namespace.remove()
      await db.remove()
    },
  }
}
