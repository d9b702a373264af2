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
  /** The function's timeout: what the context tells the handler. */
  timeoutMs: number
  log: Log
  clock?: ScheduleClock
}

export interface ScheduleClock {
  /** Milliseconds that only grow. */
  now: () => number
  /** Resolves after that many milliseconds, give or take one, or when the signal aborts. */
  sleep: (ms: number, signal: AbortSignal) => Promise<void>
}

/** The wall clock may be set back; a period is measured by the one that is not. */
const realClock: ScheduleClock = {
  now: () => performance.now(),
  sleep: (ms, signal) => sleep(ms, undefined, { signal }).catch(() => {}),
}

/**
 * Plays EventBridge's schedule: at once, then every so many seconds, never two invocations side by side: a tick that
 * falls into a running invocation is left out. An invocation that fails is said and followed by the next. Resolves when
 * `stopping` has come and the running invocation, whose handler knows of it, has ended.
 */
export async function runSchedule(options: ScheduleOptions, stopping: AbortSignal): Promise<void> {
  const { clock = realClock } = options
  const periodMs = options.everySeconds * 1_000
  let tick = clock.now()
  while (!stopping.aborted) {
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
    // A timer may fire a moment before its time: that is the tick all the same, not one more before it.
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
