import type { ScheduledEvent } from 'aws-lambda'
import type { DeadlineContext } from '../../lib/middleware/deadline.ts'
import { invocation } from '../../lib/middleware/invocation.ts'
import { runWindow, type WindowOptions } from './window.ts'

export interface ForwarderHandlerOptions
  extends Pick<WindowOptions, 'forward' | 'ready' | 'log' | 'metrics'> {
  /** The process is asked to stop. */
  stopping?: AbortSignal
}

/** To send what is pending and give up the lease, so that the standby takes over at once. */
const reserveMs = 15_000

/**
 * One window of watching, which ends by its time only. Windows overlap: the next one stands by until this one gives up the
 * lease.
 */
export function createHandler(options: ForwarderHandlerOptions) {
  const { forward, ready, log, metrics, stopping } = options
  const run = (_event: ScheduledEvent, { signal }: DeadlineContext): Promise<void> =>
    runWindow({ forward, ready, log, metrics }, signal)
  return invocation(run, { log, metrics, reserveMs, stopping })
}
