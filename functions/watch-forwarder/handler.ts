import type { ScheduledEvent } from 'aws-lambda'
import type { Forward } from '../../lib/forward.ts'
import type { SeatedWork } from '../../lib/kubernetes/lease/seat.ts'
import type { DeadlineContext } from '../../lib/middleware/deadline.ts'
import { invocation } from '../../lib/middleware/invocation.ts'
import type { Tracer } from '../../lib/telemetry/span.ts'
import { runWindow, type WindowOptions } from './window.ts'

export interface ForwarderHandlerOptions extends Pick<WindowOptions, 'ready' | 'log' | 'metrics'> {
  forward: Forward
  /** Takes one of two seats for the window, see `takeSeat`. By default a window needs none: its process has no end. */
  seat?: (work: SeatedWork, window: { remainingMs: number }, signal: AbortSignal) => Promise<void>
  tracer?: Tracer | undefined
  /** The process is asked to stop. */
  stopping?: AbortSignal
}

/** To send what is pending and give up the lease, so that the standby takes over at once. */
const reserveMs = 15_000

/**
 * One window of watching. It ends by its time, or when its successor stands by. The schedule begins more windows than are
 * needed: one that finds no free seat ends at once.
 */
export function createHandler(options: ForwarderHandlerOptions) {
  const { forward, ready, seat, log, metrics, tracer, stopping } = options
  const run = (_event: ScheduledEvent, context: DeadlineContext): Promise<void> => {
    const window: SeatedWork = (signal, onListed) =>
      runWindow({ forward: until => forward(until, onListed), ready, log, metrics }, signal)
    if (seat === undefined) return window(context.signal, () => {})
    return seat(window, { remainingMs: context.getRemainingTimeInMillis() }, context.signal)
  }
  return invocation(run, { log, metrics, tracer, reserveMs, stopping })
}
