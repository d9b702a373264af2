import { withKeys } from '../../functions/keys.ts'
import { createHandler as publishHandler } from '../../functions/publish/handler.ts'
import { createHandler as reconcileHandler } from '../../functions/reconcile/handler.ts'
import { createHandler as sweepHandler } from '../../functions/sweep/handler.ts'
import { createHandler as timerHandler } from '../../functions/timer/handler.ts'
import { createHandler as forwarderHandler } from '../../functions/watch-forwarder/handler.ts'
import { endTogether } from '../../lib/abort.ts'
import { openEventBus } from '../../lib/aws/eventbridge.ts'
import type { ChangesQueue, TimersQueue } from '../../lib/aws/queue-ports.ts'
import { openReceiver } from '../../lib/aws/receiver.ts'
import { openSecretReader } from '../../lib/aws/secret-reader.ts'
import { openQueues } from '../../lib/aws/sqs.ts'
import type { OperatorConfig } from '../../lib/config/operator.ts'
import { eventGraceMs } from '../../lib/config/placement.ts'
import { watchedBy } from '../../lib/crd/namespaces.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import { type ServerTime, withServerTime } from '../../lib/kubernetes/client/server-time.ts'
import { openEventRecorder } from '../../lib/kubernetes/event-recorder.ts'
import { checkSchema } from '../../lib/kubernetes/install/schema-check.ts'
import {
  createOwnership,
  type Ownership,
  type OwnershipOptions,
} from '../../lib/kubernetes/lease/ownership.ts'
import { openCluster } from '../../lib/kubernetes/open-cluster.ts'
import { openPodMetrics } from '../../lib/kubernetes/pod-metrics.ts'
import { once } from '../../lib/middleware/start-up.ts'
import { createPublish } from '../../lib/publish.ts'
import { createClockReader } from '../../lib/reconcile/clock/reader.ts'
import { createTakeUpClock } from '../../lib/reconcile/clock/take-up.ts'
import { createCollectUnused } from '../../lib/reconcile/collect-unused.ts'
import { createCollectNamespace } from '../../lib/reconcile/namespace/collect-namespace.ts'
import { createRepairNamespace } from '../../lib/reconcile/namespace/repair-namespace.ts'
import type { Outcome, Pass, Reconcile } from '../../lib/reconcile/pass/outcome.ts'
import { createRepairPolicy } from '../../lib/reconcile/policy/repair-policy.ts'
import { createReconcile } from '../../lib/reconcile/reconcile.ts'
import { openDatabase } from '../../lib/store/database.ts'
import { openOutbox, openStore } from '../../lib/store/open-store.ts'
import { noBus } from '../../lib/store/outbox.ts'
import type { Store } from '../../lib/store/store.ts'
import { createSweep } from '../../lib/sweep.ts'
import type { Log } from '../../lib/telemetry/log.ts'
import { type Metrics, noMetrics } from '../../lib/telemetry/metrics.ts'
import { type Pulse, withPulse } from '../health/pulse.ts'
import type { PartAddresses } from '../parts/part-addresses.ts'
import { composeForward, type ForwardSeams } from './compose-forward.ts'
import { composeTelemetry } from './compose-telemetry.ts'
import { type ComposedFunction, composedFunctions } from './composed-functions.ts'
import { longestRoundMs, type MappingOptions, runMapping, withoutAnswer } from './event-source-mapping.ts'
import type { Leadership } from './leadership.ts'
import { runSchedule, type ScheduleOptions } from './schedule.ts'

/** Batches at once. The API server's processor is the limit on one machine, and a few concurrent passes use all of it. */
const workers = { reconcile: 4, timer: 2, sweep: 2 }

/** Postgres connections of all handlers together; each sandbox of a deployed function has one. */
const databaseConnections = 8

/** The timeouts of the functions in serverless.yml. */
const lambdaTimeoutMs = { reconcile: 60_000, timer: 30_000, sweep: 120_000, publish: 60_000 }

/** The longest time that a timer holds, 25 days. Nothing on one machine needs the forwarder's windows of 15 minutes. */
const forwarderWindowMs = 2 ** 31 - 1

/** Sweep and publish have the rates of serverless.yml. A forwarder that failed starts again after 5 seconds at most. */
const everySeconds = { 'watch-forwarder': 5, sweep: 60, publish: 60 }

/** Milliseconds by which a round may exceed its limit on a busy machine. */
const roundReserveMs = 60_000

/**
 * Milliseconds. The forwarder's client is never silent for so long: the API server sends a bookmark to each watch in a
 * minute, and a call that fails is made again within 30 s.
 */
const forwarderSilenceMs = 300_000

/**
 * The end of a process waits for such a poll. It costs four times as many requests of an idle process as one of 20 s,
 * about a million a month for two queues.
 */
const finishedPollSeconds = 5

/** Milliseconds for the end of a poll and then of its batch. */
const finishedPollMs = finishedPollSeconds * 1_000 + 15_000

export interface Operator {
  /**
   * Runs every function as Lambda would, until `stopping`. Resolves when all have ended in order. The first one that fails
   * ends the others.
   */
  run(stopping: AbortSignal): Promise<void>
}

/** Replacements that a test makes in the operator. Everything that is absent is composed as for `npm start`. */
export interface OperatorSeams {
  /** The functions that run. */
  functions?: readonly ComposedFunction[]
  store?: Store
  /** The queue that forwarder, timer and sweep send to. */
  changes?: ChangesQueue
  /** The queue that reconcile and timer send to. */
  timers?: TimersQueue
  /** Called at the end of every pass that did not throw. */
  onPass?: (pass: Pass, outcome: Outcome) => void
  forwarder?: ForwardSeams
  /** Seconds that a poll of a queue waits. A queue server may give a message to a poll that was abandoned meanwhile. */
  waitSeconds?: number
  /** The time of reconcile and sweep. */
  time?: ServerTime
  /** Takes the metrics of all functions. Default: they are dropped. */
  metrics?: Metrics
}

export interface OperatorOptions extends OperatorSeams {
  /** Sweep and publish run while this process leads. By default they always run. */
  leadership?: Leadership
  /** No function does any work before the CRDs are recent enough. By default the caller has installed them. */
  checksSchema?: boolean
  /** Follows the loops of the functions. */
  pulse?: Pulse
  /** At the end, polls of queues are waited for: short ones, therefore. Default: they are broken off. */
  finishesPolls?: boolean
}

/** The deployed functions on one machine: the same factories and event shapes, with parts at other addresses. */
export function composeOperator(
  addresses: PartAddresses,
  config: OperatorConfig,
  log: Log,
  options: OperatorOptions = {},
): Operator {
  const { databaseUrl, queues: urls, sqs, bus } = addresses
  const { functions = composedFunctions, leadership, pulse, metrics = noMetrics } = options
  const logOf = (service: ComposedFunction) => log.child({ service })
  const { readSecret: read = openSecretReader({ endpoints: {} }) } = addresses
  const secretsOf = (log: Log) => ({ read, log })
  const { tracers, clientFor } = composeTelemetry(addresses, { ...config, metrics, access: secretsOf(log) })
  const database = openDatabase({
    url: databaseUrl,
    max: databaseConnections,
    applicationName: 'challenge-operator',
  })
  const { store = openStore(database, { ...config, bus: bus?.name ?? noBus }) } = options
  const queues = openQueues({ ...urls, clientOptions: sqs })
  const { changes = queues.changes, timers = queues.timers } = options
  const outbox = bus && openOutbox(database, bus.name)
  const publish =
    outbox &&
    createPublish({
      outbox,
      bus: openEventBus({ busName: bus.name, clientOptions: bus.clientOptions }),
      log: logOf('publish'),
      tracer: tracers.publish,
    })
  const readyOf = (client: KubernetesClient) =>
    options.checksSchema ? { ready: once(signal => checkSchema(client, signal)) } : {}

  function ownershipOf(parts: Omit<OwnershipOptions, 'namespace' | 'writer'>): Ownership {
    return createOwnership({ ...parts, namespace: config.leaseNamespace, writer: config.installation })
  }

  function runReconcile(stopping: AbortSignal): Promise<void> {
    const { client, time: serverTime } = withServerTime(clientFor('reconcile'))
    const { time = serverTime } = options
    const cluster = openCluster(client)
    const log = logOf('reconcile')
    const times = { now: time.likely, reached: time.reached }
    const recorder = openEventRecorder(client, 'reconcile', log)
    const parts = { cluster, store, recorder, config, ...times, random: Math.random, log }
    const reconcile = withKeys(config, secretsOf(log), config => createReconcile({ ...parts, config }))
    const handler = reconcileHandler({
      ...queues,
      timers,
      reconcile: reporting(reconcile, options.onPass),
      collectUnused: createCollectUnused(parts),
      collectNamespace: createCollectNamespace({ ...parts, graceMs: eventGraceMs(config.placement) }),
      repairNamespace: createRepairNamespace(parts),
      repairPolicy: createRepairPolicy(parts),
      takeUpClock: createTakeUpClock({ ...parts, namespace: config.leaseNamespace }),
      watches: watchedBy(config.namespaces),
      owns: ownershipOf({ client, log, now: time.likely }).owns,
      ...readyOf(client),
      ...(publish === undefined ? {} : { publish }),
      log,
      metrics,
      tracer: tracers.reconcile,
    })
    return playMapping('reconcile', { handler, queueUrl: urls.changesUrl }, stopping)
  }

  function runTimer(stopping: AbortSignal): Promise<void> {
    const handler = timerHandler({ ...queues, changes, timers, log: logOf('timer'), metrics })
    return playMapping('timer', { handler, queueUrl: urls.timersUrl }, stopping)
  }

  function runForwarder(stopping: AbortSignal): Promise<void> {
    const name = 'watch-forwarder'
    const log = logOf(name)
    const client = pulse
      ? withPulse(clientFor(name), pulse.follow(name, forwarderSilenceMs))
      : clientFor(name)
    const tracer = tracers[name]
    const parts = { client, changes, config, log, metrics, tracer, leadership }
    const forward = composeForward(parts, options.forwarder)
    const handler = forwarderHandler({ forward, ...readyOf(client), log, metrics, tracer, stopping })
    return playSchedule(name, handler, stopping)
  }

  function runSweep(stopping: AbortSignal): Promise<void> {
    const { client, time: serverTime } = withServerTime(clientFor('sweep'))
    const { time = serverTime } = options
    const cluster = openCluster(client)
    const log = logOf('sweep')
    const readClock = createClockReader({ cluster, namespace: config.leaseNamespace, now: time.likely })
    const parts = {
      ...{ cluster, store, changes, podMetrics: openPodMetrics(client) },
      publishes: bus !== undefined,
      readClock: (signal: AbortSignal) => readClock(undefined, signal),
      now: time.likely,
      log,
    }
    const sweep = withKeys(config, secretsOf(log), config => createSweep({ ...parts, config }))
    return inTerms(term => {
      const handler = sweepHandler({
        ...{ sweep, sweeps: queues.sweeps, ...config, ...readyOf(client), log, metrics },
        ...{ tracer: tracers.sweep, stopping: term },
        ownership: ownershipOf({ client, log, now: time.likely, trustMs: 0 }),
      })
      return allUntil(term, until => [
        playSchedule('sweep', handler, until),
        playMapping('sweep', { handler: withoutAnswer(handler), queueUrl: urls.sweepsUrl }, until),
      ])
    }, stopping)
  }

  async function runPublish(stopping: AbortSignal): Promise<void> {
    if (outbox === undefined || publish === undefined) return
    const { oldestMs } = outbox
    return inTerms(term => {
      const parts = { publish, oldestMs, log: logOf('publish'), metrics, tracer: tracers.publish }
      const handler = publishHandler({ ...parts, stopping: term })
      return playSchedule('publish', handler, term)
    }, stopping)
  }

  function playMapping(
    name: 'reconcile' | 'timer' | 'sweep',
    { handler, queueUrl }: { handler: MappingOptions['handler']; queueUrl: string },
    stopping: AbortSignal,
  ): Promise<void> {
    const { finishesPolls = false, waitSeconds = finishesPolls ? finishedPollSeconds : undefined } = options
    const receiver = openReceiver({
      queueUrl,
      clientOptions: sqs,
      ...(waitSeconds === undefined ? {} : { waitSeconds }),
    })
    const timeoutMs = lambdaTimeoutMs[name]
    const ending = finishesPolls ? { finishesPoll: true, stopMs: finishedPollMs } : {}
    const mapping = {
      name,
      receiver,
      handler,
      workers: workers[name],
      timeoutMs,
      log: logOf(name),
      ...ending,
    }
    return followed({ name, limitMs: longestRoundMs + timeoutMs + roundReserveMs }, round =>
      runMapping({ ...mapping, ...round }, stopping),
    )
  }

  function playSchedule(
    name: 'watch-forwarder' | 'sweep' | 'publish',
    handler: ScheduleOptions['handler'],
    stopping: AbortSignal,
  ): Promise<void> {
    const timeoutMs = name === 'watch-forwarder' ? forwarderWindowMs : lambdaTimeoutMs[name]
    const schedule = { name, handler, everySeconds: everySeconds[name], timeoutMs, log: logOf(name) }
    const limitMs = timeoutMs + schedule.everySeconds * 1_000 + roundReserveMs
    return followed({ name, limitMs }, round => runSchedule({ ...schedule, ...round }, stopping))
  }

  /** Runs while this process leads, if somebody has to be elected. */
  function inTerms(run: (term: AbortSignal) => Promise<void>, stopping: AbortSignal): Promise<void> {
    return leadership ? leadership.whileLeading(run, stopping) : run(stopping)
  }

  async function followed(
    { name, limitMs }: { name: string; limitMs: number },
    run: (round: { onRound?: () => void }) => Promise<void>,
  ): Promise<void> {
    if (pulse === undefined) return run({})
    const loop = pulse.follow(name, limitMs)
    await run({ onRound: loop.beat }).finally(loop.end)
  }

  const runners = {
    'watch-forwarder': runForwarder,
    reconcile: runReconcile,
    timer: runTimer,
    sweep: runSweep,
    publish: runPublish,
  }
  return {
    async run(stopping) {
      try {
        await allUntil(stopping, until => {
          const others = functions
            .filter(name => name !== 'watch-forwarder')
            .map(name => runners[name](until))
          const forwards = functions.includes('watch-forwarder')
          return forwards ? [...others, runForwarder(afterAll(others, until))] : others
        })
      } finally {
        queues.close()
        await database.destroy()
      }
    },
  }
}

/** Resolves when all have ended. The first one that fails ends the others. */
function allUntil(stopping: AbortSignal, run: (until: AbortSignal) => Promise<void>[]): Promise<void> {
  const ended = new AbortController()
  return endTogether(run(AbortSignal.any([stopping, ended.signal])), ended)
}

function reporting(reconcile: Reconcile, onPass: OperatorSeams['onPass']): Reconcile {
  if (onPass === undefined) return reconcile
  return async (pass, signal) => {
    const result = await reconcile(pass, signal)
    onPass(pass, result.outcome)
    return result
  }
}

/**
 * Returns a signal that aborts when the others have ended after `until`. The forwarder ends last: it gives up the lease
 * when this process has no pass in flight any more.
 */
function afterAll(others: readonly Promise<void>[], until: AbortSignal): AbortSignal {
  const last = new AbortController()
  const end = () => void Promise.allSettled(others).then(() => last.abort(until.reason))
  if (until.aborted) end()
  else until.addEventListener('abort', end, { once: true })
  return last.signal
}
