import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { ChangesQueue } from '../../lib/aws/queue-ports.ts'
import type { OperatorConfig } from '../../lib/config/operator.ts'
import { placesElsewhere } from '../../lib/config/placement.ts'
import { configurationOf } from '../../lib/desired/configuration.ts'
import { createForward, type Forward, type ForwardDependencies } from '../../lib/forward.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import { withServerTime } from '../../lib/kubernetes/client/server-time.ts'
import { elect } from '../../lib/kubernetes/lease/elect.ts'
import type { LeaseTimes } from '../../lib/kubernetes/lease/record.ts'
import { readServedKinds } from '../../lib/kubernetes/served-kinds.ts'
import type { WatchTimes } from '../../lib/kubernetes/watch/stream.ts'
import { watch } from '../../lib/kubernetes/watch/watch.ts'
import type { Log } from '../../lib/telemetry/log.ts'
import { type Metrics, noMetrics } from '../../lib/telemetry/metrics.ts'
import type { Tracer } from '../../lib/telemetry/span.ts'
import { version } from '../../lib/version.ts'
import type { Leadership } from './leadership.ts'

export interface ForwardParts {
  client: KubernetesClient
  changes: Pick<ChangesQueue, 'sendBatch'>
  prepare?: ForwardDependencies['prepare']
  config: OperatorConfig
  log: Log
  metrics?: Metrics
  tracer?: Tracer | undefined
  /** Learns of each change of the lead. */
  leadership?: Leadership | undefined
}

/** Replacements that a test makes in a forwarder. */
export interface ForwardSeams {
  /** Wraps the watch, for example to delay its events. */
  watch?: (inner: ForwardDependencies['watch']) => ForwardDependencies['watch']
  watchTimes?: Partial<WatchTimes>
  leaseTimes?: Partial<LeaseTimes>
  /** Epoch milliseconds. */
  now?: ForwardDependencies['now']
  timers?: NonNullable<ForwardDependencies['timers']>
}

/** The forwarder's story over a real cluster and queue. Every forwarder has an identity of its own for the lease. */
export function composeForward(
  { client: inner, changes, prepare, config, log, leadership, metrics = noMetrics, tracer }: ForwardParts,
  { watch: wrapWatch, watchTimes = {}, leaseTimes = {}, now: ownTime, timers }: ForwardSeams = {},
): Forward {
  const { client, time } = withServerTime(inner)
  const now = ownTime ?? time.likely
  const { namespaces } = config
  const identity = `${hostname()}_${randomUUID()}`
  const realWatch: ForwardDependencies['watch'] = (target, handlers, signal) =>
    watch(client, target, handlers, { log, times: watchTimes }, signal)
  return createForward({
    watch: wrapWatch?.(realWatch) ?? realWatch,
    elect: (callbacks, signal) =>
      elect(
        {
          client,
          namespace: config.leaseNamespace,
          identity,
          writer: { ...config.installation, version },
          log,
          times: leaseTimes,
          ...reporting(callbacks, leadership),
        },
        signal,
      ).finally(() => leadership?.lose()),
    changes,
    prepare,
    watching: { namespaces, everywhere: placesElsewhere(config.placement) },
    discover: signal => readServedKinds(client, signal),
    gateway: config.exposure.gateway,
    leaseNamespace: config.leaseNamespace,
    settings: configurationOf(config),
    policySettings: config,
    warnMinutes: config.warnMinutes,
    log,
    metrics,
    tracer,
    now,
    ...(timers === undefined ? {} : { timers }),
  })
}

type LeaseCallbacks = Parameters<ForwardDependencies['elect']>[0]

function reporting(callbacks: LeaseCallbacks, leadership: Leadership | undefined): LeaseCallbacks {
  return {
    ...callbacks,
    onLeading(isCertain) {
      callbacks.onLeading(isCertain)
      leadership?.gain()
    },
    onFollowing(how) {
      leadership?.lose()
      callbacks.onFollowing(how)
    },
  }
}
