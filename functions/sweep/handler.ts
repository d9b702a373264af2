import type { ScheduledEvent, SQSEvent, SQSRecord } from 'aws-lambda'
import type { SweepsQueue } from '../../lib/aws/queue-ports.ts'
import { operatorError } from '../../lib/errors.ts'
import type { Ownership } from '../../lib/kubernetes/lease/ownership.ts'
import type { LeaseSummary } from '../../lib/kubernetes/lease/summary.ts'
import { MessageInvalid, parseTurn, type SweepTurn } from '../../lib/messages.ts'
import type { DeadlineContext } from '../../lib/middleware/deadline.ts'
import { invocation } from '../../lib/middleware/invocation.ts'
import { firstTurn, isLate, nextTurn, type SweepRhythm } from '../../lib/sweep/turns.ts'
import type { Sweep, Swept } from '../../lib/sweep.ts'
import type { Log } from '../../lib/telemetry/log.ts'
import { type Metrics, noMetrics } from '../../lib/telemetry/metrics.ts'
import { runInScope } from '../../lib/telemetry/scope.ts'
import type { Tracer } from '../../lib/telemetry/span.ts'
import { sweepScope, traceSweep } from './trace-sweep.ts'

export interface SweepHandlerOptions extends SweepRhythm {
  sweep: Sweep
  /** Rejects if the cluster does not fit this version of the operator. */
  ready?: (signal: AbortSignal) => Promise<void>
  sweeps: SweepsQueue
  /** Says whose the cluster is. Another installation sweeps nothing. By default it is this one's. */
  ownership?: Ownership
  /** Begins a window of the forwarder. Called when nobody leads. By default nothing is begun. */
  beginWindow?: ((signal: AbortSignal) => Promise<void>) | undefined
  log: Log
  metrics?: Metrics
  tracer?: Tracer | undefined
  /** Epoch milliseconds. */
  clock?: () => number
  /** Aborts when the process is to stop. */
  stopping?: AbortSignal
}

/** What an invocation by a deployment answers. */
export interface SweepAnswer {
  /** The Lease of the forwarder; undefined: there is none. */
  lease: LeaseSummary | undefined
}

/** The source of the event with which a deployment asks who leads. */
const deploymentSource = 'challenge-operator.deploy'

const reserveMs = 3_000

/**
 * Creates a handler that sweeps once in an invocation. The schedule begins the first sweep of a minute, and each sweep sends
 * itself the next one of the minute as a delayed message (`nextTurn`), so that no invocation waits and none is beside
 * another. A message that comes later than the sweep after it is dropped.
 *
 * Errors: a failed sweep is logged, and the next one makes up for it. The scheduled invocation fails with it, so that its
 * errors are counted; a message is never delivered again for it.
 */
export function createHandler(options: SweepHandlerOptions) {
  const { log, metrics = noMetrics, tracer, clock = Date.now, stopping, intervalSeconds } = options

  /** @returns what the sweep failed with */
  const sweepOnce = (resync: boolean, signal: AbortSignal): Promise<unknown> => {
    const scope = sweepScope()
    const startedAt = clock()
    const ended = (swept: Swept | undefined, failure?: string) => {
      const { span } = scope
      traceSweep({ span, resync, swept, startedAt, endedAt: clock(), failure }, tracer)
    }
    return runInScope(scope, async () => {
      try {
        await options.ready?.(signal)
        if (options.ownership && !(await options.ownership.owns(undefined, signal))) return undefined
        // A bus that does not answer holds up no sweep, which stands in for the forwarder until then.
        const window = options.ownership?.isLed === false ? beginWindow(signal) : undefined
        const swept = await options.sweep({ resync }, signal).finally(() => window)
        measure(swept, metrics)
        ended(swept)
        const { enqueued, examined } = swept
        const level = enqueued > 0 ? 'info' : 'debug'
        log[level]('sweep ended', { enqueued, examined, resync, milliseconds: clock() - startedAt })
        return undefined
      } catch (thrown) {
        if (signal.aborted) return thrown
        log.warn('sweep failed, the next one makes up for it', { resync, error: thrown })
        ended(undefined, operatorError(thrown).reason)
        return thrown
      }
    })
  }

  /** The schedule begins one in each minute, too. One that finds no free seat ends at once. */
  const beginWindow = async (signal: AbortSignal): Promise<void> => {
    if (options.beginWindow === undefined) return
    try {
      await options.beginWindow(signal)
      log.warn('no forwarder leads, a window is begun')
    } catch (error) {
      log.warn('no forwarder leads, and no window could be begun; the schedule begins one', { error })
    }
  }

  /** Sweeps, and puts the next sweep off. @returns what the sweep failed with */
  const take = async (turn: SweepTurn, signal: AbortSignal): Promise<unknown> => {
    const failure = await sweepOnce(turn.resync, signal)
    const next = nextTurn(turn, { intervalSeconds, failed: failure !== undefined, now: clock() })
    if (next === undefined || signal.aborted) return failure
    await options.sweeps.send(next.turn, next.delaySeconds, signal).catch((error: unknown) => {
      log.warn('next sweep not sent, it comes with the next minute', { error })
    })
    return failure
  }

  /** Sweeps beside the schedule, and tells who leads. */
  const answerDeployment = async (signal: AbortSignal): Promise<SweepAnswer> => {
    const failure = await sweepOnce(false, signal)
    if (failure !== undefined) throw failure
    return { lease: await options.ownership?.summary(signal) }
  }

  const run = async (
    event: ScheduledEvent | SQSEvent,
    { signal }: DeadlineContext,
  ): Promise<SweepAnswer | undefined> => {
    if (signal.aborted) return undefined
    if (!('Records' in event)) {
      if (event.source === deploymentSource) return answerDeployment(signal)
      const turn = firstTurn(Math.floor(Date.parse(event.time) / 60_000), options, clock())
      const failure = turn && (await take(turn, signal))
      if (failure !== undefined && !signal.aborted) throw failure
      return undefined
    }
    for (const record of event.Records) {
      const turn = turnOf(record)
      if (turn === undefined) continue
      if (isLate(turn, intervalSeconds, clock()))
        log.debug('sweep left out, its message is late', { at: turn.began, count: turn.number })
      else await take(turn, signal)
    }
    return undefined
  }

  const turnOf = ({ body, messageId }: SQSRecord): SweepTurn | undefined => {
    try {
      return parseTurn(body)
    } catch (thrown) {
      if (!(thrown instanceof MessageInvalid)) throw thrown
      log.error('message about a sweep is dropped', { messageId: messageId, why: thrown.message })
      return undefined
    }
  }

  return invocation(run, { log, metrics, tracer, reserveMs, stopping })
}

function measure({ findings, overdueMs, unsynced }: Swept, metrics: Metrics): void {
  for (const [cause, count] of findings) metrics.count('SweepFindings', count, { cause })
  metrics.set('ExpiryLag', Math.round(overdueMs / 1_000))
  metrics.set('UnsyncedInstances', unsynced)
}
