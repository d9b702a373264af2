import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Context, ScheduledEvent } from 'aws-lambda'
import type { Log } from '../../lib/telemetry/log.ts'
import { lambdaContext } from './context.ts'

export interface ScheduleOptions {
  /** The function's name, for the event, the context and the log. */
  name: string
  handler: (event: ScheduledEvent, context: Context) => Promise<unknown>
  everySeconds: number
  /** The function's timeout, from which its context counts down. */
  timeoutMs: number
  log: Log
  /** Called before every invocation. */
  onRound?: () => void
  clock?: ScheduleClock
}

export interface ScheduleClock {
  /** Milliseconds of a clock that is never set back. */
  now: () => number
  /** Resolves after that many milliseconds (within 1 ms), or when the signal aborts. */
  sleep: (ms: number, signal: AbortSignal) => Promise<void>
}

/** Uses the monotonic clock, because the wall clock may be set back. */
const realClock: ScheduleClock = {
  now: () => performance.now(),
  sleep: (ms, signal) => sleep(ms, undefined, { signal }).catch(() => {}),
}

/**
 * Plays an EventBridge schedule: invokes at once, then every `everySeconds`. A tick during a running invocation is left
 * out. A failed invocation is logged, and the next one follows. Resolves after `stopping`, when the running invocation
 * has ended; its handler has to observe `stopping` too.
 */
export async function runSchedule(options: ScheduleOptions, stopping: AbortSignal): Promise<void> {
  const { clock = realClock } = options
  const periodMs = options.everySeconds * 1_000
  let tick = clock.now()
  while (!stopping.aborted) {
    options.onRound?.()
    try {
      await options.handler(
        scheduledEvent(options.name, new Date()),
        lambdaContext(options.name, options.timeoutMs),
      )
    } catch (thrown) {
      if (!stopping.aborted)
        options.log.error('invocation failed, the next one follows', {
          function: options.name,
          error: thrown,
        })
    }
    // A timer may fire a moment early. That counts as its tick, so no second tick follows at the exact time.
    const missed = Math.max(0, Math.floor((clock.now() - tick) / periodMs))
    tick += (missed + 1) * periodMs
    await clock.sleep(Math.max(0, tick - clock.now()), stopping)
  }
}

function scheduledEvent(name: string, at: Date): ScheduledEvent {
  return {
    version: '0',
    id: randomUUID(),
    'detail-type': 'Scheduled Event',
    source: 'aws.events',
    account: '000000000000',
    // EventBridge's own times have whole seconds.
    time: at.toISOString().replace(/\.\d+Z$/, 'Z'),
    region: 'local',
    resources: [`arn:aws:events:local:000000000000:rule/${name}`],
    detail: {},
  }
}
