import { setTimeout as wait } from 'node:timers/promises'
import type { ScheduledEvent } from 'aws-lambda'
import type { DeadlineContext } from '../../lib/middleware/deadline.ts'
import { invocation } from '../../lib/middleware/invocation.ts'
import type { Sweep } from '../../lib/sweep.ts'
import type { Log } from '../../lib/telemetry/log.ts'

export interface SweepHandlerOptions {
  sweep: Sweep
  /** Rejects while the cluster is not fit for this version. */
  ready?: (signal: AbortSignal) => Promise<void>
  /** Seconds between sweeps. */
  intervalSeconds: number
  /** Minutes between sweeps that also verify children. */
  resyncMinutes: number
  log: Log
  /** Epoch milliseconds. */
  clock?: () => number
  /** The process is asked to stop. */
  stopping?: AbortSignal
}

/** One invocation each minute; its sweeps fill the minute. */
const minuteSeconds = 60
const reserveMs = 3_000

/**
 * Sweeps `60 / interval` times. Which sweeps verify children follows from the schedule's time alone, so that it needs no
 * memory and the same minute is never skipped or done twice.
 */
export function createHandler(options: SweepHandlerOptions) {
  const { log, clock = Date.now, stopping, intervalSeconds, resyncMinutes } = options

  const sweepOnce = async (resync: boolean, signal: AbortSignal): Promise<unknown> => {
    const started = clock()
    try {
      const { enqueued, examined } = await options.sweep({ resync }, signal)
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
    if ((minute * minuteSeconds) % intervalSeconds >= minuteSeconds) return
    await options.ready?.(signal)
    const times = Math.max(1, Math.floor(minuteSeconds / intervalSeconds))
    const started = clock()
    let resync = minute % resyncMinutes === 0
    let failure: unknown
    for (let sweep = 0; sweep < times && !signal.aborted; sweep++) {
      const next = started + sweep * intervalSeconds * 1_000
      if (next > clock()) await wait(next - clock(), undefined, { signal }).catch(() => {})
      if (signal.aborted) return
      failure = await sweepOnce(resync, signal)
      if (failure === undefined) resync = false
    }
    if (failure !== undefined && !signal.aborted) throw failure
  }

  return invocation(run, { log, reserveMs, stopping })
}
