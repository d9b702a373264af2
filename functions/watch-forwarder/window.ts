import { sleep } from '../../lib/abort.ts'
import { operatorError } from '../../lib/errors.ts'
import type { Log } from '../../lib/telemetry/log.ts'
import { type Metrics, noMetrics } from '../../lib/telemetry/metrics.ts'

export interface WindowOptions {
  /** Watches until the signal, then ends in order. */
  forward: (signal: AbortSignal) => Promise<void>
  /** Rejects while the cluster is not fit for this version. */
  ready?: ((signal: AbortSignal) => Promise<void>) | undefined
  /** Ends the window at a failure that only a change helps against. By default the window waits for the change. */
  endsIfPermanent?: boolean
  log: Log
  metrics?: Metrics | undefined
  /** Milliseconds. */
  firstPauseMs?: number
}

/** Pauses between two attempts double up to this. A window lasts for minutes, and without a forwarder nothing starts. */
const longestPauseMs = 10_000
/** An attempt that lasted longer than this ends a series of failures, in milliseconds. */
const healthyMs = 120_000

/**
 * Watches until the signal. A failure, also one before the first list, does not end the window: it is logged, and the
 * forwarder starts again after a pause.
 */
export async function runWindow(options: WindowOptions, signal: AbortSignal): Promise<void> {
  const { forward, ready, log, metrics = noMetrics, endsIfPermanent = false, firstPauseMs = 500 } = options
  let pauseMs = firstPauseMs
  while (!signal.aborted) {
    const started = performance.now()
    try {
      await ready?.(signal)
      await forward(signal)
    } catch (thrown) {
      if (signal.aborted) return
      const error = operatorError(thrown)
      if (endsIfPermanent && error.fate === 'permanent') throw thrown
      if (performance.now() - started > healthyMs) pauseMs = firstPauseMs
      metrics.count('ForwarderRestarts', 1)
      log.error('forwarder failed, it starts again', { error, afterMs: pauseMs })
    }
    await sleep(pauseMs, signal)
    pauseMs = Math.min(pauseMs * 2, longestPauseMs)
  }
}
