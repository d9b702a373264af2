import { createHandler as publishHandler } from '../../functions/publish/handler.ts'
import { createHandler as reconcileHandler } from '../../functions/reconcile/handler.ts'
import { createHandler as sweepHandler } from '../../functions/sweep/handler.ts'
import { createHandler as timerHandler } from '../../functions/timer/handler.ts'
import { createHandler as forwarderHandler } from '../../functions/watch-forwarder/handler.ts'
import { openEventBus } from '../../lib/aws/eventbridge.ts'
import { openReceiver } from '../../lib/aws/receiver.ts'
import { openQueues } from '../../lib/aws/sqs.ts'
import type { OperatorConfig } from '../../lib/config/operator.ts'
import { openCluster } from '../../lib/kubernetes/open-cluster.ts'
import { createPublish } from '../../lib/publish.ts'
import { createReconcile } from '../../lib/reconcile/reconcile.ts'
import { openDatabase } from '../../lib/store/database.ts'
import { openOutbox, openStore } from '../../lib/store/open-store.ts'
import { createSweep } from '../../lib/sweep.ts'
import type { Log } from '../../lib/telemetry/log.ts'
import type { Endpoints } from '../parts/endpoints.ts'
import { composeForward } from './compose-forward.ts'
import { runMapping } from './event-source-mapping.ts'
import { runSchedule } from './schedule.ts'

/** Lambda's concurrency on one machine: the API server's processor is the limit, a few passes side by side fill it. */
const reconcileWorkers = 4
const timerWorkers = 2

/** Postgres connections of all handlers together; each sandbox of a deployed function has one. */
const databaseConnections = 8

/** As in serverless.yml. */
const lambdaTimeoutMs = { reconcile: 60_000, timer: 30_000, sweep: 120_000, publish: 60_000 }

/** A window without end: on one machine nothing freezes the forwarder. */
const forwarderWindowMs = 2 ** 31 - 1

export interface Operator {
  /** Runs every function as Lambda would, until `stopping`; resolves when all have ended in order. */
  run(stopping: AbortSignal): Promise<void>
}

/** The deployed functions on one machine: the same factories, the same event shapes, other endpoints. */
export function composeOperator(endpoints: Endpoints, config: OperatorConfig, log: Log): Operator {
  const { clientFor, databaseUrl, queues: urls, sqs, bus } = endpoints
  const named = (service: string) => log.child?.({ service }) ?? log
  const database = openDatabase({
    url: databaseUrl,
    max: databaseConnections,
    applicationName: 'challenge-operator',
  })
  const store = openStore(database)
  const queues = openQueues({ ...urls, clientOptions: sqs })
  const eventBus = openEventBus({ busName: bus.name, clientOptions: bus.clientOptions })
  const publish = createPublish({ outbox: openOutbox(database), bus: eventBus, log: named('publish') })

  return {
    async run(stopping) {
      const reconcile = createReconcile({
        cluster: openCluster(clientFor('reconcile')),
        store,
        config,
        now: Date.now,
        random: Math.random,
      })
      const sweep = createSweep({
        cluster: openCluster(clientFor('sweep')),
        store,
        changes: queues.changes,
        namespaces: config.namespaces,
        intervalSeconds: config.intervalSeconds,
        now: Date.now,
        log: named('sweep'),
      })
      const forward = composeForward(
        clientFor('watch-forwarder'),
        queues.changes,
        config,
        named('watch-forwarder'),
      )
      const handlers = {
        forward: forwarderHandler({ forward, log: named('watch-forwarder'), stopping }),
        reconcile: reconcileHandler({ ...queues, reconcile, publish, log: named('reconcile') }),
        timer: timerHandler({ ...queues, log: named('timer') }),
        sweep: sweepHandler({ sweep, ...config, log: named('sweep'), stopping }),
        publish: publishHandler({ publish, log: named('publish'), stopping }),
      }
      const mapping = (name: 'reconcile' | 'timer', queueUrl: string, workers: number) =>
        runMapping(
          {
            name,
            receiver: openReceiver({ queueUrl, clientOptions: sqs }),
            handler: handlers[name],
            workers,
            timeoutMs: lambdaTimeoutMs[name],
            log: named(name),
          },
          stopping,
        )
      const schedule = (name: 'sweep' | 'publish') =>
        runSchedule(
          {
            name,
            handler: handlers[name],
            everySeconds: 60,
            timeoutMs: lambdaTimeoutMs[name],
            log: named(name),
          },
          stopping,
        )
      await Promise.all([
        runSchedule(
          {
            name: 'watch-forwarder',
            handler: handlers.forward,
            everySeconds: 5,
            timeoutMs: forwarderWindowMs,
            log: named('watch-forwarder'),
          },
          stopping,
        ),
        mapping('reconcile', urls.changesUrl, reconcileWorkers),
        mapping('timer', urls.timersUrl, timerWorkers),
        schedule('sweep'),
        schedule('publish'),
      ])
      queues.close()
      await database.destroy()
    },
  }
}
