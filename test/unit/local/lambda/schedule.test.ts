import type { Context, ScheduledEvent } from 'aws-lambda'
import { describe, expect, it } from 'vitest'
import { runSchedule } from '../../../../local/lambda/schedule.ts'
import { keptLog } from '../../functions/lambda-events.ts'

/** Runs a schedule of one second on a clock that moves only when the schedule sleeps or the handler works, until `stopMs`. */
function stage(stopMs: number, earlyMs = 0) {
  const stopping = new AbortController()
  const log = keptLog()
  const starts: number[] = []
  let at = 5_000_000
  const origin = at
  const pass = (ms: number) => {
    at += ms
    if (at - origin >= stopMs) stopping.abort()
  }
  const clock = { now: () => at, sleep: async (ms: number) => pass(Math.max(0, ms - earlyMs)) }
  const play = async (handler: (event: ScheduledEvent, context: Context) => Promise<unknown>) => {
    const started = (event: ScheduledEvent, context: Context) => {
      starts.push(at - origin)
      return handler(event, context)
    }
    const options = { name: 'sweep', handler: started, everySeconds: 1, timeoutMs: 60_000, log, clock }
    await runSchedule(options, stopping.signal)
    return { starts, lines: log.lines }
  }
  return { play, pass }
}

describe('a schedule', () => {
  it('invokes at once and then once per period', async () => {
    const { starts, lines } = await stage(3_500).play(async () => {})
    expect(starts).toEqual([0, 1_000, 2_000, 3_000])
    expect(lines).toEqual([])
  })

  it('passes an event in the shape of EventBridge', async () => {
    let invocation: [ScheduledEvent, Context] | undefined
    await stage(1_000).play(async (...of) => {
      invocation = of
    })
    const [event, context] = invocation ?? []
    expect(event).toMatchObject({ source: 'aws.events', 'detail-type': 'Scheduled Event', detail: {} })
    expect(event?.time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    expect(context?.getRemainingTimeInMillis()).toBeGreaterThan(50_000)
  })

  it('invokes once per period if timers fire a moment early', async () => {
    const { starts } = await stage(3_500, 0.4).play(async () => {})
    expect(starts.map(Math.round)).toEqual([0, 1_000, 2_000, 3_000])
  })

  it('leaves out a tick during a running invocation', async () => {
    const { play, pass } = stage(5_000)
    const { starts } = await play(async () => pass(1_500))
    expect(starts).toEqual([0, 2_000, 4_000])
  })

  it('logs a failed invocation and goes on with the next one', async () => {
    let ticks = 0
    const { starts, lines } = await stage(1_500).play(async () => {
      if (ticks++ === 0) throw new Error('boom')
    })
    expect(starts).toEqual([0, 1_000])
    expect(lines.map(line => line.message)).toEqual(['invocation failed, the next one follows'])
  })

  it('ends during a wait on the real clock', async () => {
    const stopping = new AbortController()
    let ticks = 0
    const handler = async () => {
      ticks++
      setImmediate(() => stopping.abort())
    }
    const options = { name: 'sweep', handler, everySeconds: 3_600, timeoutMs: 60_000, log: keptLog() }
    await runSchedule(options, stopping.signal)
    expect(ticks).toBe(1)
  })
})
