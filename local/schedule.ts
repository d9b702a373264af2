import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Context, ScheduledEvent } from 'aws-lambda'
import type { Log } from '../lib/telemetry/log.ts'
import { lambdaContext } from './lambda-context.ts'

export interface ScheduleOptions {
  /** The function's name, for the event, the context and the log. */
  name: string
  handler: (event: ScheduledEvent, context: Context) => Promise<unknown>
  everySeconds: number
  /** The function's timeout: what the context tells the handler. */
  timeoutMs: number
  log: Log
}

/**
 * Plays EventBridge's schedule: at once, then every so many seconds, never two invocations side by side: a tick that
 * falls into a running invocation is left out. An invocation that fails is said and followed by the next. Resolves when
 * `stopping` has come and the running invocation, whose handler knows of it, has ended.
 */
export async function runSchedule(options: ScheduleOptions, stopping: AbortSignal): Promise<void> {
  const periodMs = options.everySeconds * 1_000
  let tick = Date.now()
  while (!stopping.aborted) {
    try {
      await options.handler(
        scheduledEvent(options.name, tick),
        lambdaContext(options.name, options.timeoutMs),
      )
    } catch (thrown) {
      if (!stopping.aborted)
        options.log.error('invocation failed, the next one follows', {
          function: options.name,
          error: thrown,
        })
    }
    const missed = Math.floor((Date.now() - tick) / periodMs)
    tick += (missed + 1) * periodMs
    await sleep(Math.max(0, tick - Date.now()), undefined, { signal: stopping }).catch(() => {})
  }
}

function scheduledEvent(name: string, tick: number): ScheduledEvent {
  return {
    version: '0',
    id: randomUUID(),
    'detail-type': 'Scheduled Event',
    source: 'aws.events',
    account: '000000000000',
    // EventBridge's own times have whole seconds.
    time: new Date(tick).toISOString().replace(/\.\d+Z$/, 'Z'),
    region: 'local',
    resources: [`arn:aws:events:local:000000000000:rule/${name}`],
    detail: {},
  }
}
