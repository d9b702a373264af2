import type { ScheduledEvent } from 'aws-lambda'
import type { DeadlineContext } from '../../lib/middleware/deadline.ts'
import { invocation } from '../../lib/middleware/invocation.ts'
import type { Log } from '../../lib/telemetry/log.ts'

export interface ForwarderHandlerOptions {
  /** Watches until the signal, then ends in order. */
  forward: (signal: AbortSignal) => Promise<void>
  /** Rejects while the cluster is not fit for this version. */
  ready?: (signal: AbortSignal) => Promise<void>
  log: Log
  /** The process is asked to stop. */
  stopping?: AbortSignal
}

/** To send what is pending and give up the lease, so that the standby takes over at once. */
const reserveMs = 15_000

/** One window of watching. Windows overlap: the next one stands by until this one gives up the lease. */
export function createHandler(options: ForwarderHandlerOptions) {
  const { forward, log, stopping } = options
  const run = async (_event: ScheduledEvent, { signal }: DeadlineContext): Promise<void> => {
    try {
      await options.ready?.(signal)
      await forward(signal)
    } catch (thrown) {
      if (!signal.aborted) throw thrown
    }
  }
  return invocation(run, { log, reserveMs, stopping })
}
