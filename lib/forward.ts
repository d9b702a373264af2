import { randomBytes } from 'node:crypto'
import { endTogether, realTimers, type Timers } from './abort.ts'
import type { ChangesQueue } from './aws/queue-ports.ts'
import type { KubernetesObject, NetworkPolicy, Stored } from './crd/objects.ts'
import type { PresentSettings } from './desired/configuration.ts'
import type { PolicySettings } from './desired/objects/network-policy.ts'
import { createDispatch } from './forward/dispatch/dispatch.ts'
import { createStandingPolicies, isStandingPolicy } from './forward/dispatch/standing-policies.ts'
import { createSender } from './forward/send/sender.ts'
import { createTable } from './forward/table/table.ts'
import { type Watching, watchedIn, watchTargets } from './forward/table/targets.ts'
import type { WatchHandlers, WatchTarget } from './kubernetes/cluster.ts'
import type { Log } from './telemetry/log.ts'

export interface ForwardDependencies {
  /** Lists and watches until the signal aborts; see `WatchHandlers`. */
  watch: <T extends KubernetesObject>(
    target: WatchTarget,
    handlers: WatchHandlers<T>,
    signal: AbortSignal,
  ) => Promise<void>
  /** Stands for the lease until the signal aborts, then gives the lease up. */
  elect: (callbacks: { onLeading(): void; onFollowing(): void }, signal: AbortSignal) => Promise<void>
  changes: Pick<ChangesQueue, 'sendBatch'>
  watching: Watching
  /** The settings that instances should be built with, see `configurationOf`. */
  settings: PresentSettings
  /** The settings that policies should be built with. */
  policySettings: PolicySettings
  log: Log
  /** Epoch milliseconds. */
  now: () => number
  timers?: Timers
  /** In [0, 1): jitter. */
  random?: () => number
}

/** Runs until the signal aborts. */
export type Forward = (signal: AbortSignal) => Promise<void>

/**
 * Milliseconds to send pending changes at the end. A DELETED event is not repeated, so a change that is dropped here is found by
 * the sweep only.
 */
const flushMs = 3_000

/** Milliseconds. A list that takes longer has a problem, which the log should show. */
const listsLateMs = 15_000

/**
 * Creates the forwarder: it watches the objects, judges whether work is left, and sends the keys of instances with work.
 *
 * Flow: the watches fill a table of digests, one row for each instance. Each event that changes a row makes the
 * dispatcher judge it (`judge`) and send what is due. A row is judged again when its verdict changes with time, for
 * example at the end of an instance. The lease decides whether this forwarder sends: a standby fills its table, and
 * judges all of it when it takes over.
 *
 * Guarantees: nothing is judged before every list has ended, so that an object that is not listed yet never counts as
 * absent. Only the holder of the lease sends. A mismatch that lasts is sent again until its effect shows. When the queue
 * refuses changes, they are kept, and the watches wait before the memory grows.
 *
 * Caveats: for a short time there may be two leaders. That is harmless: the same change has the same deduplication id.
 * Changes that are still pending `flushMs` after the signal are lost. Except for deleted instances the next leader finds
 * their mismatches again.
 *
 * Errors: failed calls are logged and tried again. Rejects with the error of a watch or of the election that cannot go
 * on; all the others are ended first.
 */
export function createForward(deps: ForwardDependencies): Forward {
  return async signal => {
    const { log, now, timers = realTimers, random = Math.random } = deps
    // The sender outlives the watches by `flushMs`.
    const sending = new AbortController()
    const ended = new AbortController()
    const stop = AbortSignal.any([signal, ended.signal])
    const targets = watchTargets(deps.watching)
    const unlisted = new Set(targets)
    let leading = false

    const isActive = () => leading && unlisted.size === 0 && !stop.aborted
    const sender = createSender({ changes: deps.changes, log, random, timers, now }, sending.signal)
    const dispatch = createDispatch({
      sender,
      isActive,
      now,
      timers,
      settings: deps.settings,
      log,
      trace: traceparent,
    })
    const table = createTable(watchedIn(deps.watching), {
      onRow: row => {
        dispatch.evaluate(row)
        policies.rowChanged(row)
      },
      onInstanceGone: dispatch.instanceGone,
      onRowEmpty: row => {
        dispatch.forget(row)
        policies.rowChanged(row)
      },
    })

    const policies = createStandingPolicies({
      sender,
      rows: table.rows,
      settings: deps.policySettings,
      isActive,
      now,
      timers,
      trace: traceparent,
      log,
    })

    const evaluateAll = () => {
      if (!isActive()) return
      policies.evaluateAll()
      const started = performance.now()
      const rows = dispatch.evaluateAnew(table.rows())
      const milliseconds = Math.round(performance.now() - started)
      log.info('whole table judged', { rows, milliseconds, pending: sender.pending })
    }
    const handlersOf = (target: WatchTarget): WatchHandlers<KubernetesObject> => ({
      onObject: object =>
        isStandingPolicy(object) ? policies.put(object as Stored<NetworkPolicy>) : table.put(object),
      onGone: object =>
        isStandingPolicy({ ...target, ...object })
          ? policies.remove(object)
          : table.remove(target.kind, object),
      onListed: () => {
        if (unlisted.delete(target) && unlisted.size === 0) evaluateAll()
      },
      drained: () => sender.drained(stop),
    })
    const callbacks = {
      onLeading: () => {
        leading = true
        evaluateAll()
      },
      onFollowing: () => {
        leading = false
        dispatch.stop()
        policies.stop()
        sender.clear()
      },
    }

    const late = timers.set(() => warnOfLists(unlisted, log), listsLateMs)
    try {
      const watches = targets.map(target => deps.watch(target, handlersOf(target), stop))
      await endTogether([...watches, deps.elect(callbacks, stop)], ended)
    } finally {
      timers.clear(late)
      dispatch.stop()
      policies.stop()
      await sender.flushed(AbortSignal.timeout(flushMs))
      sending.abort()
    }
  }
}

function warnOfLists(unlisted: ReadonlySet<WatchTarget>, log: Log): void {
  const kinds = [...unlisted].map(({ kind, namespace }) => `${kind} in ${namespace ?? 'all namespaces'}`)
  if (kinds.length > 0) log.warn('lists have not ended yet, nothing is judged before', { kinds })
}

function traceparent(): string {
  return `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-01`
}
