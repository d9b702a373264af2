import type { ChangesQueue, TimersQueue } from '../../lib/aws/queue-ports.ts'
import type { QueueUrls } from '../../lib/aws/queues.ts'
import { openQueues, type Queues } from '../../lib/aws/sqs.ts'
import type { SqsClientOptions } from '../../lib/aws/sqs-client.ts'
import type { Installation } from '../../lib/config/operator.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import { openCluster } from '../../lib/kubernetes/open-cluster.ts'
import { openPodMetrics } from '../../lib/kubernetes/pod-metrics.ts'
import { createClockReader } from '../../lib/reconcile/clock/reader.ts'
import { openStore } from '../../lib/store/open-store.ts'
import { noBus } from '../../lib/store/outbox.ts'
import type { Store } from '../../lib/store/store.ts'
import { createSweep, type Sweep } from '../../lib/sweep.ts'
import { type Log, silentLog } from '../../lib/telemetry/log.ts'
import { composeOperator } from '../../local/lambda/compose.ts'
import { composeForward, type ForwardSeams } from '../../local/lambda/compose-forward.ts'
import type { TestOperator } from './operator.ts'
import { type OperatorPartsOptions, openOperatorParts } from './operator-parts.ts'
import { testQueues } from './shared-parts.ts'

export interface ForwarderOptions extends ForwardSeams {
  client?: KubernetesClient
  changes?: Pick<ChangesQueue, 'sendBatch'>
  installation?: Partial<Installation>
  log?: Log
}

export interface FaultyOperatorOptions
  extends Pick<
    OperatorPartsOptions,
    'plane' | 'databaseUrl' | 'env' | 'challenges' | 'teams' | 'client' | 'kubeconfigOf' | 'serverOf'
  > {
  /** Wraps the queue that forwarder, timer and sweep send to. */
  changes?: (inner: ChangesQueue) => ChangesQueue
  /** Wraps the queue that reconcile and timer send to. */
  timers?: (inner: TimersQueue) => TimersQueue
  /** Seconds for which a received change is hidden, five by default. */
  changesVisibility?: number
  store?: (inner: Store) => Store
  /** The seams of the first forwarder; `false`: none is started. */
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
  store: Store
  sweep: Sweep
  /** Starts one more forwarder. It gives up the lease when it stops, unless its client is severed. */
  startForwarder(options?: ForwarderOptions): { stop(): Promise<void> }
}

/** The clock of `sweep` is ahead by more than the two minutes after which an unchanged instance counts as forgotten. */
const sweepAheadMs = 121_000

/**
 * The operator without its schedules, with a place for a fault at each seam. Forwarders and sweeps run when the test
 * starts them.
 */
export async function startFaultyOperator(options: FaultyOperatorOptions = {}): Promise<FaultyOperator> {
  const { log = silentLog, challenges = ['web'] } = options
  const { changesVisibility = 5 } = options
  const urls = await testQueues({ changesVisibility, timersVisibility: 3 })
  const parts = await openOperatorParts({ ...options, challenges, queues: urls })
  const { config, signal, clientFor } = parts
  const queues = openQueues(urls)
  const changes = options.changes?.(queues.changes) ?? queues.changes
  const { bus } = parts.addresses
  const realStore = openStore(parts.database, { ...config, bus: bus?.name ?? noBus })
  const store = options.store?.(realStore) ?? realStore
  const passes: SeenPass[] = []
  const operator = composeOperator(parts.addresses, config, log, {
    functions: ['reconcile', 'timer'],
    store,
    changes,
    timers: options.timers?.(queues.timers) ?? queues.timers,
    onPass: ({ name, causes }, { kind }) => void passes.push({ name, causes: [...causes], outcome: kind }),
  })
  const running: Promise<unknown>[] = [operator.run(signal)]

  const startForwarder = ({ client = clientFor('watch-forwarder'), ...own }: ForwarderOptions = {}) => {
    const stopping = new AbortController()
    const installation = { ...config.installation, ...own.installation }
    const forward = composeForward({ client, changes, log, ...own, config: { ...config, installation } }, own)
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

  const sweepCluster = openCluster(clientFor('sweep'))
  const { leaseNamespace } = config
  const readClock = createClockReader({ cluster: sweepCluster, namespace: leaseNamespace, now: Date.now })
  return {
    ...parts,
    passes,
    queues: { ...queues, ...urls },
    store,
    sweep: createSweep({
      cluster: sweepCluster,
      readClock: signal => readClock(undefined, signal),
      store,
      changes,
      config,
      podMetrics: openPodMetrics(clientFor('sweep')),
      now: () => Date.now() + sweepAheadMs,
      log,
    }),
    startForwarder,
    async stop() {
      await parts.stop(Promise.all(running))
      queues.close()
    },
  }
}
