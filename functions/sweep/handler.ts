import type { ScheduledEvent } from 'aws-lambda'
import { sleep } from '../../lib/abort.ts'
import type { DeadlineContext } from '../../lib/middleware/deadline.ts'
import { invocation } from '../../lib/middleware/invocation.ts'
import type { Sweep, Swept } from '../../lib/sweep.ts'
import type { Log } from '../../lib/telemetry/log.ts'
import { type Metrics, noMetrics } from '../../lib/telemetry/metrics.ts'

export interface SweepHandlerOptions {
  sweep: Sweep
  /** Rejects if the cluster does not fit this version of the operator. */
  ready?: (signal: AbortSignal) => Promise<void>
  /** The seconds between two sweeps. */
  intervalSeconds: number
  /** The minutes between two sweeps that also compare children. */
  resyncMinutes: number
  log: Log
  metrics?: Metrics
  /** Epoch milliseconds. */
  clock?: () => number
  /** Aborts when the process is to stop. */
  stopping?: AbortSignal
}

/** The schedule invokes the function once a minute. */
const minuteSeconds = 60
const reserveMs = 3_000

/**
 * Creates a handler that sweeps `60 / interval` times in an invocation, or once every `interval / 60` minutes. The
 * scheduled time alone decides which sweep compares children (`comparesChildren`), so no state is kept between invocations.
 * If that sweep fails, the next one of the invocation compares them.
 */
export function createHandler(options: SweepHandlerOptions) {
  const { log, metrics = noMetrics, clock = Date.now, stopping, intervalSeconds, resyncMinutes } = options

  const sweepOnce = async (resync: boolean, signal: AbortSignal): Promise<unknown> => {
    const started = clock()
    try {
      await options.ready?.(signal)
      const swept = await options.sweep({ resync }, signal)
      measure(swept, metrics)
      const { enqueued, examined } = swept
      const level = enqueued > 0 ? 'info' : 'debug'
      log[level]('sweep ended', { enqueued, examined, resync, milliseconds: clock() - started })
      return undefined
    } catch (thrown) {
      if (!signal.aborted) log.warn('sweep failed, the next one makes up for it', { resync, error: thrown })
      return thrown
    }
  }

  const run = async (event: ScheduledEvent, { signal }: DeadlineContext): Promise<void> => {
    const minute = Math.floor(Date.parse(event.time) / 60_000)
    if (!sweepsIn(minute, intervalSeconds)) return
    const times = Math.max(1, Math.floor(minuteSeconds / intervalSeconds))
    const started = clock()
    let resync = comparesChildren(minute, { intervalSeconds, resyncMinutes })
    let failure: unknown
    for (let sweep = 0; sweep < times && !signal.aborted; sweep++) {
      const next = started + sweep * intervalSeconds * 1_000
      if (next > clock()) await sleep(next - clock(), signal)
      if (signal.aborted) return
      failure = await sweepOnce(resync, signal)
      if (failure === undefined) resync = false
    }
    if (failure !== undefined && !signal.aborted) throw failure
  }

  return invocation(run, { log, metrics, reserveMs, stopping })
}

function measure({ findings, overdueMs, unsynced }: Swept, metrics: Metrics): void {
  for (const [cause, count] of findings) metrics.count('SweepFindings', count, { cause })
  metrics.set('ExpiryLag', Math.round(overdueMs / 1_000))
  metrics.set('UnsyncedInstances', unsynced)
}

/** @param minute minutes since the epoch */
function sweepsIn(minute: number, intervalSeconds: number): boolean {
  return (minute * minuteSeconds) % intervalSeconds < minuteSeconds
}

/**
 * Whether the first sweep of a minute compares children: it is the first one since a minute that `resyncMinutes` divides.
 * With an interval of several minutes there may be no sweep in that minute itself.
 */
function comparesChildren(
  minute: number,
  { intervalSeconds, resyncMinutes }: Pick<SweepHandlerOptions, 'intervalSeconds' | 'resyncMinutes'>,
): boolean {
  let previous = minute - 1
  while (!sweepsIn(previous, intervalSeconds)) previous -= 1
  return Math.floor(minute / resyncMinutes) > Math.floor(previous / resyncMinutes)
}
