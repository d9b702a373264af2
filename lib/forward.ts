import { randomBytes } from 'node:crypto'
import { endTogether, realTimers, type Timers } from './abort.ts'
import type { ChangesQueue } from './aws/queue-ports.ts'
import type { KubernetesObject } from './crd/objects.ts'
import { createClock } from './forward/clock.ts'
import { createDispatch, type Dispatch } from './forward/dispatch.ts'
import { createFanOut } from './forward/fan-out.ts'
import type { Row } from './forward/row.ts'
import { createSender } from './forward/sender.ts'
import { createTable } from './forward/table.ts'
import { watchedNamespaces, watchTargets } from './forward/targets.ts'
import type { WatchHandlers, WatchTarget } from './kubernetes/cluster.ts'
import type { Log } from './telemetry/log.ts'

export interface ForwardDependencies {
  /** Lists and watches until the signal aborts; see `WatchHandlers`. */
  watch: <T extends KubernetesObject>(
    target: WatchTarget,
    handlers: WatchHandlers<T>,
    signal: AbortSignal,
  ) => Promise<void>
  /** Stands for the lease until the signal aborts, then gives it up. */
  elect: (callbacks: { onLeading(): void; onFollowing(): void }, signal: AbortSignal) => Promise<void>
  changes: Pick<ChangesQueue, 'sendBatch'>
  /** Watched namespaces; `'*'`: all. */
  namespaces: readonly string[] | '*'
  log: Log
  /** Epoch milliseconds. */
  now: () => number
  timers?: Timers
  random?: () => number
}

/** Runs until the signal aborts. @throws what a watch or the election cannot go on with */
export type Forward = (signal: AbortSignal) => Promise<void>

/** What is pending at the end is worth a moment: a gone instance is seen by nobody a second time but the sweep. */
const lastWordsMs = 3_000

/** A list that takes longer than this has a problem that somebody should know of. */
const listsLateMs = 15_000

/**
 * Watches, judges, sends keys. Nothing is judged before every list has ended, and nothing sent but by the holder of the
 * lease: a standby keeps its table and judges the whole of it on taking over, so two forwarders have nothing to tell
 * each other. What is sent twice has the same deduplication id.
 */
export function createForward(deps: ForwardDependencies): Forward {
  return async signal => {
    const { log, now, timers = realTimers, random = Math.random } = deps
    // Outlives the watches, for what is pending when they end.
    const sending = new AbortController()
    const ended = new AbortController()
    const stop = AbortSignal.any([signal, ended.signal])
    const watched = watchedNamespaces(deps.namespaces)
    const unlisted = new Set(watchTargets(deps.namespaces))
    let leading = false

    const sender = createSender({ changes: deps.changes, log, random, timers, now }, sending.signal)
    const active = () => leading && unlisted.size === 0 && !stop.aborted
    const judged = (row: Row) => {
      if (active()) dispatch.evaluate(row)
    }
    const clock = createClock<Row>(judged, now, timers)
    const fanOut = createFanOut(row => active() && dispatch.release(row), timers)
    const dispatch: Dispatch = createDispatch({ sender, clock, fanOut, now, trace: traceparent })
    const table = createTable(watched, {
      onRow: judged,
      onInstanceGone: (row, gone) => active() && dispatch.instanceGone(row, gone),
      onRowEmpty: row => clock.set(row, undefined),
    })

    const judgeAll = () => {
      if (!active()) return
      const started = performance.now()
      let rows = 0
      for (const row of table.rows()) {
        rows += 1
        dispatch.forget(row)
        dispatch.evaluate(row)
      }
      const milliseconds = Math.round(performance.now() - started)
      log.info('whole table judged', { rows, milliseconds, pending: sender.pending })
    }
    const handlersOf = (target: WatchTarget): WatchHandlers<KubernetesObject> => ({
      // Items of a list do not always carry their kind.
      onObject: object => table.put(object.kind === target.kind ? object : { ...object, kind: target.kind }),
      onGone: object => table.remove(target.kind, object),
      onListed: () => {
        if (unlisted.delete(target) && unlisted.size === 0) judgeAll()
      },
      drained: () => sender.drained(stop),
    })
    const callbacks = {
      onLeading: () => {
        leading = true
        judgeAll()
      },
      onFollowing: () => {
        leading = false
        clock.clear()
        fanOut.clear()
        sender.clear()
      },
    }

    const late = timers.set(() => {
      const kinds = [...unlisted].map(({ kind, namespace }) => `${kind} in ${namespace ?? 'all namespaces'}`)
      if (kinds.length > 0) log.warn('lists have not ended yet, nothing is judged before', { kinds })
    }, listsLateMs)
    try {
      const watches = [...unlisted].map(target => deps.watch(target, handlersOf(target), stop))
      await endTogether([...watches, deps.elect(callbacks, stop)], ended)
    } finally {
      timers.clear(late)
      clock.clear()
      fanOut.clear()
      await sender.flushed(AbortSignal.timeout(lastWordsMs))
      sending.abort()
    }
  }
}

function traceparent(): string {
  return `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-01`
}
