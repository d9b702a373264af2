import { setTimeout as sleep } from 'node:timers/promises'
import type { Context, ScheduledEvent } from 'aws-lambda'
import { describe, expect, it } from 'vitest'
import { runSchedule } from '../../../local/schedule.ts'
import { keptLog } from '../functions/lambda-events.ts'

/** Runs a schedule of tenths of a second until `stopMs`. */
async function play(handler: (event: ScheduledEvent, context: Context) => Promise<unknown>, stopMs: number) {
  const log = keptLog()
  const options = { name: 'sweep', handler, everySeconds: 0.1, timeoutMs: 60_000, log }
  await runSchedule(options, AbortSignal.timeout(stopMs))
  return log.lines
}

describe('how does a schedule tick', () => {
  it('is it at once and then at its period, in the shape of EventBridge', async () => {
    const events: ScheduledEvent[] = []
    let remaining = 0
    const lines = await play(async (event, context) => {
      events.push(event)
      remaining = context.getRemainingTimeInMillis()
    }, 350)
    expect(lines).toEqual([])
    expect(events.length).toBeGreaterThanOrEqual(3)
    expect(events.length).toBeLessThanOrEqual(4)
    expect(events[0]).toMatchObject({ source: 'aws.events', 'detail-type': 'Scheduled Event', detail: {} })
    expect(events[0]?.time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    expect(remaining).toBeGreaterThan(59_000)
  })

  it('is a tick left out that falls into a running invocation', async () => {
    let [running, most, ticks] = [0, 0, 0]
    await play(async () => {
      ticks++
      most = Math.max(most, ++running)
      await sleep(150)
      running--
    }, 500)
    expect([most, running]).toEqual([1, 0])
    expect(ticks).toBeLessThanOrEqual(3)
  })

  it('is a failure said, and followed by the next', async () => {
    let ticks = 0
    const lines = await play(async () => {
      if (ticks++ === 0) throw new Error('boom')
    }, 250)
    expect(ticks).toBeGreaterThan(1)
    expect(lines.map(line => line.message)).toEqual(['invocation failed, the next one follows'])
  })
})
