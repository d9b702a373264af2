import { endTogether, realTimers, type Timers } from './abort.ts'
import type { ChangesQueue } from './aws/queue-ports.ts'
import { gatewayKind, type ServedKinds } from './crd/child-kinds.ts'
import type { ConfigMap, GoneObject, KubernetesObject, NetworkPolicy, Stored } from './crd/objects.ts'
import type { PresentSettings } from './desired/configuration.ts'
import type { PolicySettings } from './desired/objects/network-policy.ts'
import { type ClockSight, createClockSight } from './forward/dispatch/clock-sight.ts'
import { createDispatch, type Dispatch } from './forward/dispatch/dispatch.ts'
import { createPulse, type Pulse } from './forward/dispatch/pulse.ts'
import {
  createStandingPolicies,
  isStandingPolicy,
  type StandingPolicies,
} from './forward/dispatch/standing-policies.ts'
import { createLeadership, flushMs } from './forward/send/leadership.ts'
import { createSender } from './forward/send/sender.ts'
import { createFollowedKinds, type FollowedKindsOptions } from './forward/table/followed-kinds.ts'
import { createGatewaySight, type GatewaySight } from './forward/table/gateway-sight.ts'
import type { Row } from './forward/table/row.ts'
import { createTable, type Table, type TableEvents } from './forward/table/table.ts'
import { clockKind, unservedKinds, type Watching, watchedIn, watchTargets } from './forward/table/targets.ts'
import type { WatchHandlers, WatchTarget } from './kubernetes/cluster.ts'
import type { ElectOptions } from './kubernetes/lease/elect.ts'
import type { Log } from './telemetry/log.ts'
import { type Metrics, noMetrics } from './telemetry/metrics.ts'
import type { Tracer } from './telemetry/span.ts'
import { newTraceparent } from './telemetry/traceparent.ts'

export interface ForwardDependencies {
  /** Lists and watches until the signal aborts; see `WatchHandlers`. */
  watch: <T extends KubernetesObject>(
    target: WatchTarget,
    handlers: WatchHandlers<T>,
    signal: AbortSignal,
  ) => Promise<void>
  /** Stands for the lease until the signal aborts, then gives the lease up. See `ElectOptions`. */
  elect: (callbacks: ElectionCallbacks, signal: AbortSignal) => Promise<void>
  changes: Pick<ChangesQueue, 'sendBatch'>
  /** Makes the first request to the queue a quick one. The forwarder stands for the lease afterwards. Default: nothing. */
  prepare?: ((signal: AbortSignal) => Promise<void>) | undefined
  watching: Watching
  /** Asks which of the optional kinds the cluster serves. The others are not watched. */
  discover: (signal: AbortSignal) => Promise<ServedKinds>
  /** The Gateway of routes, if one is configured. */
  gateway: { namespace: string; name: string } | undefined
  /** The namespace of the organiser's clock. */
  leaseNamespace: string
  /** The settings that instances should be built with, see `configurationOf`. */
  settings: PresentSettings
  /** See `OperatorConfig`. */
  warnMinutes: number
  /** The settings that policies should be built with. */
  policySettings: PolicySettings
  log: Log
  metrics?: Metrics
  tracer?: Tracer | undefined
  /** Epoch milliseconds. */
  now: () => number
  timers?: Timers
  /** In [0, 1): jitter. */
  random?: () => number
}

export type ElectionCallbacks = Required<
  Pick<ElectOptions, 'whenReady' | 'onLeading' | 'onFollowing' | 'onDoubt' | 'onConfirmed'>
>

/** Runs until the signal aborts. @param onListed is called when it is able to lead, and so a standby is there */
export type Forward = (signal: AbortSignal, onListed?: () => void) => Promise<void>

/** Milliseconds. A list that takes longer has a problem, which the log should show. */
const listsLateMs = 15_000

/**
 * Creates the forwarder: it watches the objects, judges whether work is left, and sends the keys of instances with work.
 *
 * Flow: the watches fill a table of digests, one row for each instance. Each event that changes a row makes the
 * dispatcher judge it (`judge`) and send what is due. A row is judged again when its verdict changes with time, for
 * example at the end of an instance. The lease decides whether this forwarder sends: a standby fills its table, and
 * judges all of it when it takes over. It stands for the lease once everything has been listed.
 *
 * Guarantees: nothing is judged before every list has ended, so that an object that is not listed yet never counts as
 * absent. Only the holder of the lease sends, and the one before it for two seconds more. After a stop of the process it makes
 * sure of the lease before. A mismatch that lasts is sent again until its effect shows. When the queue refuses changes, they
 * are kept, and the watches wait before the memory grows.
 *
 * Caveats: for a short time there may be two leaders, at each handing over for two seconds. That is harmless: the same change
 * has the same deduplication id, and no event waits for the successor. Changes that are still pending `flushMs` after the end
 * are lost. Except for deleted instances the next leader finds their mismatches again.
 *
 * Errors: failed calls are logged and tried again. Rejects with the error of a watch or of the election that cannot go
 * on; all the others are ended first.
 */
export function createForward(deps: ForwardDependencies): Forward {
  return async (signal, onListed) => {
    const { log, metrics = noMetrics, now, timers = realTimers, random = Math.random } = deps
    // The sender outlives the watches by `flushMs`, and the watches outlive the election until a successor leads.
    const sending = new AbortController()
    const ended = new AbortController()
    const served = await servedAtFirst(deps, signal)
    if (served === undefined) return
    const { leaseNamespace } = deps
    const targets = watchTargets(deps.watching, { served, gateway: deps.gateway, leaseNamespace })
    const unlisted = new Set(targets)
    const everythingListed = Promise.withResolvers<void>()
    const leadership = createLeadership(timers)

    const isActive = () => leadership.isJudging && unlisted.size === 0 && !ended.signal.aborted
    const pulse = createPulse({ metrics, tracer: deps.tracer, isActive, now, timers })
    const { changes } = deps
    const sender = createSender(
      { changes, onAccepted: pulse.accepted, maySend: leadership.maySend, log, random, timers, now },
      sending.signal,
    )
    const tools = { sender, isActive, now, timers, log, trace: newTraceparent }
    const parts = judgingParts(deps, { served, tools, onUnwatched: () => kinds.askSoon() })
    const { table, gateway } = parts
    const evaluateAll = () => {
      parts.evaluateAll()
      pulse.beat()
    }
    const seen = receiverOf(parts)
    const follows = (kind: string, isWatched: boolean) =>
      kind === gatewayKind.kind ? gateway.follow(isWatched) : table.watches(kind, isWatched)
    const kinds = createFollowedKinds({
      ...{
        targets,
        watching: deps.watching,
        gateway: deps.gateway,
        leaseNamespace,
        discover: deps.discover,
        timers,
        log,
      },
      watch: watchInto(deps.watch, { seen, pulse }, () => sender.drained(ended.signal)),
      onListed: target => {
        if (isGateway(target)) gateway.follow(true)
        if (!unlisted.delete(target) || unlisted.size > 0) return
        evaluateAll()
        everythingListed.resolve()
      },
      onServed: kind => follows(kind, true),
      onDropped: kind => {
        pulse.dropped(kind)
        follows(kind, false)
      },
    })
    const callbacks = leadership.callbacks({
      sender,
      begin() {
        pulse.leading()
        evaluateAll()
      },
      end() {
        pulse.following()
        parts.stop()
      },
    })
    const prepared = prepareQueue(deps, AbortSignal.any([signal, ended.signal]))
    const whenReady = Promise.all([everythingListed.promise, prepared]).then(() => onListed?.())
    const election = { ...callbacks, whenReady }
    const stand = async (): Promise<void> => {
      try {
        await deps.elect(election, AbortSignal.any([signal, ended.signal]))
        await leadership.handedOver()
      } finally {
        ended.abort()
      }
    }

    const late = timers.set(() => warnOfLists(unlisted, log), listsLateMs)
    try {
      await endTogether([kinds.follow(served, ended.signal, ended), stand()], ended)
    } finally {
      timers.clear(late)
      pulse.stop()
      parts.stop()
      await sender.flushed(AbortSignal.timeout(flushMs))
      sending.abort()
      await sender.ended()
    }
  }
}

interface JudgingTools {
  served: ServedKinds
  tools: Pick<
    Parameters<typeof createDispatch>[0],
    'sender' | 'isActive' | 'now' | 'timers' | 'log' | 'trace'
  >
  /** See `TableEvents`. */
  onUnwatched: () => void
}

/** What the watches fill, and what judges it. */
function judgingParts(deps: ForwardDependencies, { served, tools, onUnwatched }: JudgingTools) {
  const { isActive, log } = tools
  const organisersClock = createClockSight({
    ...tools,
    namespace: deps.leaseNamespace,
    changed: before => {
      if (!isActive()) return
      if (before.lockdown !== organisersClock.state.lockdown) policies.evaluateAll()
      newestEventsFirst(table.rows()).forEach(dispatch.evaluate)
    },
  })
  const dispatch = createDispatch({
    ...tools,
    organisersClock,
    settings: deps.settings,
    warnMinutes: deps.warnMinutes,
    gatewayIsMissing: () => gateway.isMissing(),
  })
  const table = createTable(
    watchedIn(deps.watching),
    { ...eventsFor(dispatch, row => policies.rowChanged(row)), onUnwatched },
    unservedKinds(served),
  )
  const gateway = createGatewaySight(table.rows, dispatch.evaluate)
  const policies = createStandingPolicies({ ...tools, organisersClock, table, settings: deps.policySettings })

  return {
    table,
    gateway,
    policies,
    organisersClock,
    evaluateAll() {
      if (!isActive()) return
      organisersClock.evaluate()
      policies.evaluateAll()
      const started = performance.now()
      const rows = dispatch.evaluateAnew(table.rows())
      const milliseconds = Math.round(performance.now() - started)
      log.info('whole table judged', { rows, milliseconds, pending: tools.sender.pending })
    },
    stop() {
      dispatch.stop()
      policies.stop()
      organisersClock.stop()
    },
  }
}

/** Watches a collection, and hands on what is reported. */
function watchInto(
  watch: ForwardDependencies['watch'],
  { seen, pulse }: { seen: ReturnType<typeof receiverOf>; pulse: Pulse },
  drained: () => Promise<void>,
): FollowedKindsOptions['watch'] {
  return (target, onListed, signal) => {
    const handlers: WatchHandlers<KubernetesObject> = {
      onObject(object) {
        pulse.changed(target)
        seen.put(target, object)
      },
      onGone(object) {
        pulse.changed(target)
        seen.remove(target, object)
      },
      onListed(list) {
        pulse.listed(target, list)
        onListed()
      },
      onBookmark: () => pulse.bookmarked(target),
      drained,
    }
    return watch(target, handlers, signal)
  }
}

/** A forwarder that is stopped before it has begun to watch ends like one that watches: undefined. */
async function servedAtFirst(
  { discover }: Pick<ForwardDependencies, 'discover'>,
  signal: AbortSignal,
): Promise<ServedKinds | undefined> {
  try {
    return await discover(signal)
  } catch (thrown) {
    if (signal.aborted) return undefined
    throw thrown
  }
}

async function prepareQueue(
  { prepare, log }: Pick<ForwardDependencies, 'prepare' | 'log'>,
  signal: AbortSignal,
): Promise<void> {
  try {
    await prepare?.(signal)
  } catch (error) {
    if (!signal.aborted) log.warn('the queue could not be prepared, the first request does it', { error })
  }
}

function warnOfLists(unlisted: ReadonlySet<WatchTarget>, log: Log): void {
  const kinds = [...unlisted].map(({ kind, namespace }) => `${kind} in ${namespace ?? 'all namespaces'}`)
  if (kinds.length > 0) log.warn('lists have not ended yet, nothing is judged before', { kinds })
}

/** @param changed is called with a row whose workload, and so the need of a standing policy, may have changed */
function eventsFor(dispatch: Dispatch, changed: (row: Row) => void): TableEvents {
  return {
    onRow: row => {
      dispatch.evaluate(row)
      changed(row)
    },
    onInstanceGone: dispatch.instanceGone,
    onRowEmpty: row => {
      dispatch.forget(row)
      changed(row)
    },
  }
}

/** Hands what a watch reports to the part that keeps it. */
function receiverOf({ table, policies, gateway, organisersClock }: Receivers) {
  return {
    put(target: WatchTarget, object: Stored<KubernetesObject>): void {
      if (isGateway(target)) gateway.see(true)
      else if (target.kind === clockKind) organisersClock.put(object as Stored<ConfigMap>)
      else if (isStandingPolicy(object)) policies.put(object as Stored<NetworkPolicy>)
      else table.put(object)
    },
    remove(target: WatchTarget, object: GoneObject): void {
      if (isGateway(target)) gateway.see(false)
      else if (target.kind === clockKind) organisersClock.remove(object)
      else if (isStandingPolicy({ ...target, ...object })) policies.remove(object)
      else table.remove(target.kind, object)
    },
  }
}

interface Receivers {
  table: Table
  policies: StandingPolicies
  gateway: GatewaySight
  organisersClock: ClockSight
}

function newestEventsFirst(rows: Iterable<Row>): Row[] {
  return [...rows].sort((one, other) => (other.instance?.event ?? 0) - (one.instance?.event ?? 0))
}

function isGateway({ kind }: WatchTarget): boolean {
  return kind === gatewayKind.kind
}
