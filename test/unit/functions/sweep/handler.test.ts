import type { ScheduledEvent } from 'aws-lambda'
import { describe, expect, it } from 'vitest'
import { createHandler } from '../../../../functions/sweep/handler.ts'
import { OperatorError } from '../../../../lib/errors.ts'
import type { SweepTurn } from '../../../../lib/messages.ts'
import { currentTraceparent } from '../../../../lib/telemetry/scope.ts'
import type { EndedSpan } from '../../../../lib/telemetry/span.ts'
import { traceIdOf, traceparentOf } from '../../../../lib/telemetry/traceparent.ts'
import { lambdaContext } from '../../../../local/lambda/context.ts'
import { keptMetrics } from '../../../support/kept-metrics.ts'
import { keptLog, record, scheduledEvent, sqsEvent } from '../lambda-events.ts'

interface Options {
  intervalSeconds?: number
  resyncMinutes?: number
  /** Seconds that each sweep takes. */
  takes?: number
  /** The sweeps that fail, counted from 0. */
  failing?: number[]
  /** The number of checks of the schema that fail. */
  failingChecks?: number
  queueIsAway?: boolean
  /** The number of messages that each sweep sends. */
  enqueued?: number
  /** Whether the cluster is this installation's. */
  owned?: boolean
  /** Whether a forwarder leads; undefined: nobody knows. */
  isLed?: boolean | undefined
  windowsFail?: boolean
  /** The bus answers once the sweep has begun. */
  busIsSlow?: boolean
  stopping?: AbortSignal
}

/** The test moves the clock, and plays the queue of delayed messages. */
function setUp({
  intervalSeconds = 15,
  resyncMinutes = 10,
  takes = 0,
  failing = [],
  failingChecks = 0,
  queueIsAway = false,
  enqueued = 2,
  owned = true,
  isLed = true,
  windowsFail = false,
  busIsSlow = false,
  stopping,
}: Options = {}) {
  const resyncs: boolean[] = []
  const measured = keptMetrics()
  const begunAt: number[] = []
  const sent: { turn: SweepTurn; delaySeconds: number }[] = []
  const log = keptLog()
  const spans: EndedSpan[] = []
  const windows: number[] = []
  const sweepBegan = Promise.withResolvers<void>()
  const traces: (string | undefined)[] = []
  let now = Date.parse('2026-01-01T00:00:00Z')
  let checks = 0
  const handler = createHandler({
    sweep: async ({ resync }) => {
      resyncs.push(resync)
      traces.push(currentTraceparent())
      begunAt.push(now)
      sweepBegan.resolve()
      now += takes * 1_000
      if (failing.includes(resyncs.length - 1)) throw new OperatorError('ClusterUnavailable', 'away')
      return { examined: 3, enqueued, findings: new Map([['drift', 2]]), overdueMs: 4_200, unsynced: 1 }
    },
    ready: async () => {
      checks += 1
      if (checks <= failingChecks) throw new OperatorError('ClusterUnavailable', 'away')
    },
    sweeps: {
      async send(turn, delaySeconds) {
        if (queueIsAway) throw new OperatorError('ClusterUnavailable', 'the queue is away')
        sent.push({ turn, delaySeconds })
      },
    },
    ownership: {
      owns: async () => owned,
      isLed,
      summary: async () => ({ holder: 'one', version: '1.2.3', stack: 'ours' }),
    },
    beginWindow: async () => {
      windows.push(now)
      if (busIsSlow) await sweepBegan.promise
      if (windowsFail) throw new OperatorError('ClusterUnavailable', 'the bus is away')
    },
    intervalSeconds,
    resyncMinutes,
    log,
    metrics: measured.metrics,
    tracer: { record: span => void spans.push(span), flush: async () => {} },
    clock: () => now,
    ...(stopping ? { stopping } : {}),
  })
  const context = () => lambdaContext('sweep', 120_000)
  const deliver = (body: unknown) => handler(sqsEvent(record('m', body)), context())
  return {
    resyncs,
    begunAt,
    sent,
    log,
    measured,
    spans,
    traces,
    windows,
    deliver,
    invoke: (event: ScheduledEvent) => handler(event, context()),
    /** Invokes as the schedule does. */
    begin: (time: string) => {
      now = Date.parse(time)
      return handler(scheduledEvent(time), context())
    },
    /** Delivers each message after its delay, and then `lateSeconds`, until there is none. */
    async drain(lateSeconds = 0) {
      for (let next = sent.shift(); next !== undefined; next = sent.shift()) {
        now += (next.delaySeconds + lateSeconds) * 1_000
        await deliver(next.turn)
      }
    },
  }
}

const minuteOne = '2026-01-01T00:01:00Z'

describe('the metrics of a sweep', () => {
  it('tell what it found, the longest overdue end, and instances without a row', async () => {
    const { begin, measured } = setUp({ intervalSeconds: 60 })
    await begin(minuteOne)
    expect(measured.flushed).toEqual([
      [
        { name: 'SweepFindings', value: 2, dimensions: { cause: 'drift' } },
        { name: 'ExpiryLag', value: 4, dimensions: {} },
        { name: 'UnsyncedInstances', value: 1, dimensions: {} },
      ],
    ])
  })

  it('tell nothing of a sweep that failed', async () => {
    const { begin, measured } = setUp({ intervalSeconds: 60, failing: [0] })
    await expect(begin(minuteOne)).rejects.toThrow('away')
    expect(measured.kept).toEqual([])
  })
})

describe('a sweep while no forwarder leads', () => {
  it('begins a window before it sweeps, and each sweep another one', async () => {
    const { begin, drain, windows, begunAt } = setUp({ isLed: false })
    await begin(minuteOne)
    await drain()
    expect(windows).toEqual(begunAt)
    expect(windows).toHaveLength(4)
  })

  it('does not wait for the bus before it sweeps', async () => {
    const { begin, windows, begunAt } = setUp({ isLed: false, busIsSlow: true, intervalSeconds: 60 })
    await begin('2026-01-01T00:01:00Z')
    expect([windows.length, begunAt.length]).toEqual([1, 1])
  })

  it('sweeps also if no window can be begun', async () => {
    const { begin, resyncs, log } = setUp({ isLed: false, windowsFail: true, intervalSeconds: 60 })
    await begin(minuteOne)
    expect(resyncs).toHaveLength(1)
    expect(log.lines.map(({ message }) => message)).toContain(
      'no forwarder leads, and no window could be begun; the schedule begins one',
    )
  })

  it.each([
    { title: 'a forwarder leads', isLed: true, owned: true },
    { title: 'the cluster is another installation’s', isLed: false, owned: false },
  ])('begins none if $title', async ({ isLed, owned }) => {
    const { begin, drain, windows } = setUp({ isLed, owned })
    await begin(minuteOne)
    await drain()
    expect(windows).toEqual([])
  })
})

describe('the trace of a sweep', () => {
  it('begins with it, and its span is that of which the messages tell', async () => {
    const { begin, drain, spans, traces } = setUp({ intervalSeconds: 30, takes: 2 })
    await begin(minuteOne)
    await drain()
    expect(spans).toHaveLength(2)
    expect(spans.map(({ identity }) => identity && traceparentOf(identity))).toEqual(traces)
    expect(new Set(traces.map(traceIdOf)).size).toBe(2)
    expect(spans[0]).toMatchObject({
      name: 'sweep',
      startedAt: Date.parse(minuteOne),
      endedAt: Date.parse(minuteOne) + 2_000,
      attributes: { 'challenge_operator.enqueued': 2, 'challenge_operator.causes': 'drift' },
      failure: undefined,
    })
  })

  it('has no span if the sweep sent nothing, and one with the reason if it failed', async () => {
    const quiet = setUp({ intervalSeconds: 60, enqueued: 0 })
    await quiet.begin(minuteOne)
    expect(quiet.spans).toEqual([])
    const failing = setUp({ intervalSeconds: 60, failing: [0] })
    await expect(failing.begin(minuteOne)).rejects.toThrow('away')
    expect(failing.spans).toMatchObject([{ name: 'sweep', failure: 'ClusterUnavailable' }])
  })
})

describe('the sweeps of a minute', () => {
  it.each([
    [15, 4],
    [5, 12],
    [60, 1],
    [45, 1],
  ])('with an interval of %i seconds are %i', async (intervalSeconds, times) => {
    const { begin, drain, resyncs } = setUp({ intervalSeconds })
    await begin(minuteOne)
    await drain()
    expect(resyncs).toHaveLength(times)
  })

  it('are one in each invocation, with a message about the next one', async () => {
    const { begin, sent, resyncs } = setUp({ takes: 0.3 })
    await begin(minuteOne)
    expect(resyncs).toHaveLength(1)
    expect(sent).toEqual([
      { turn: { v: 1, began: '2026-01-01T00:01:00.000Z', number: 1, resync: false }, delaySeconds: 15 },
    ])
  })

  it('begin one interval apart, however long they take and however late their messages come', async () => {
    const { begin, drain, begunAt } = setUp({ takes: 2 })
    await begin(minuteOne)
    await drain(1)
    const since = begunAt.map(at => (at - Date.parse(minuteOne)) / 1_000)
    expect(since).toEqual([0, 16, 31, 46])
  })

  it('leave out those whose time has passed while a slow one ran', async () => {
    const { begin, drain, begunAt } = setUp({ takes: 31 })
    await begin(minuteOne)
    await drain()
    expect(begunAt.map(at => (at - Date.parse(minuteOne)) / 1_000)).toEqual([0, 45])
  })

  it('are none in the minutes between with an interval of several minutes', async () => {
    const { begin, drain, resyncs } = setUp({ intervalSeconds: 180 })
    for (const minute of [0, 1, 2, 3, 4, 5]) {
      await begin(`2026-01-01T00:0${minute}:00Z`)
      await drain()
    }
    expect(resyncs).toHaveLength(2)
  })

  it('are none after the stopping signal', async () => {
    const { begin, resyncs, sent } = setUp({ stopping: AbortSignal.abort() })
    await begin(minuteOne)
    expect([resyncs, sent]).toEqual([[], []])
  })
})

describe('a message about a sweep', () => {
  const turn: SweepTurn = { v: 1, began: '2026-01-01T00:01:00.000Z', number: 1, resync: false }

  it('is dropped once the sweep after it is due, as one that is delivered again after a crash', async () => {
    const { begin, deliver, resyncs, sent } = setUp()
    await begin('2026-01-01T00:01:31Z')
    resyncs.length = 0
    sent.length = 0
    await deliver(turn)
    expect([resyncs, sent]).toEqual([[], []])
  })

  it.each(['{', { ...turn, v: 2 }, { ...turn, began: 'yesterday' }, { ...turn, number: 'one' }])(
    'is dropped with an error if it cannot be read: %j',
    async body => {
      const { deliver, resyncs, log } = setUp()
      await deliver(body)
      expect(resyncs).toEqual([])
      expect(log.lines).toMatchObject([{ level: 'error', message: 'message about a sweep is dropped' }])
    },
  )

  it('is not delivered again after a failed sweep, and the next one is sent', async () => {
    const { begin, drain, resyncs } = setUp({ failing: [1] })
    await begin(minuteOne)
    await drain()
    expect(resyncs).toHaveLength(4)
  })
})

describe('the comparison of children', () => {
  it('belongs to the first sweep of every tenth minute', async () => {
    const { begin, drain, resyncs } = setUp({ intervalSeconds: 30 })
    for (const minute of ['09', '10', '11', '20']) {
      await begin(`2026-01-01T00:${minute}:00Z`)
      await drain()
    }
    expect(resyncs).toEqual([false, false, true, false, false, false, true, false])
  })

  it.each([
    [180, 10, [0, 12, 21, 30, 42, 51]],
    [420, 10, [0, 14, 21, 35, 42, 56]],
    [90, 3, [0, 3, 6, 9, 12, 15]],
    [3_600, 7, [0, 60, 120, 180, 240, 300]],
  ])('comes with the next sweep if none is due in its minute (%i s, every %i min)', async (...numbers) => {
    const [intervalSeconds, resyncMinutes, expected] = numbers
    const { begin, resyncs } = setUp({ intervalSeconds, resyncMinutes })
    const compared: number[] = []
    for (let minute = 0; compared.length < expected.length; minute++) {
      const before = resyncs.length
      await begin(new Date(Date.parse('2026-01-01T00:00:00Z') + minute * 60_000).toISOString())
      if (resyncs.slice(before).includes(true)) compared.push(minute)
    }
    expect(compared).toEqual(expected)
  })

  it('is repeated by the next sweep after a failed one', async () => {
    const { begin, drain, resyncs } = setUp({ intervalSeconds: 20, failing: [0] })
    await expect(begin('2026-01-01T00:10:00Z')).rejects.toThrow('away')
    await drain()
    expect(resyncs).toEqual([true, true, false])
  })

  it('is the next sweep’s after a check of the schema that failed', async () => {
    const { begin, drain, resyncs } = setUp({ failingChecks: 1 })
    await expect(begin('2026-01-01T00:10:00Z')).rejects.toThrow('away')
    await drain()
    expect(resyncs).toEqual([true, false, false])
  })
})

describe('the invocation by a deployment', () => {
  const event = { source: 'challenge-operator.deploy', time: '2026-01-01T00:00:30Z' } as never

  it('sweeps, answers who leads, and begins no second series of sweeps', async () => {
    const { invoke, resyncs, sent } = setUp()
    expect(await invoke(event)).toEqual({ lease: { holder: 'one', version: '1.2.3', stack: 'ours' } })
    expect(resyncs).toEqual([false])
    expect(sent).toEqual([])
  })

  it('fails with its sweep, so that the deployment says why', async () => {
    await expect(setUp({ failing: [0] }).invoke(event)).rejects.toThrow('away')
  })

  it('answers on a cluster of another installation, too', async () => {
    const { invoke, resyncs } = setUp({ owned: false })
    expect(await invoke(event)).toMatchObject({ lease: { stack: 'ours' } })
    expect(resyncs).toEqual([])
  })
})

describe('the sweep of another installation', () => {
  it('looks again with every turn, and sweeps nothing', async () => {
    const { begin, drain, resyncs, sent } = setUp({ owned: false })
    await begin(minuteOne)
    expect(sent).toHaveLength(1)
    await drain()
    expect(resyncs).toEqual([])
  })
})

describe('the scheduled invocation', () => {
  it('fails if its sweep fails, after it has sent the next one', async () => {
    const { begin, sent } = setUp({ failing: [0] })
    await expect(begin(minuteOne)).rejects.toThrow('away')
    expect(sent).toHaveLength(1)
  })

  it('leaves the other sweeps to the next minute if the queue does not accept the message', async () => {
    const { begin, log } = setUp({ queueIsAway: true })
    await expect(begin(minuteOne)).resolves.toBeUndefined()
    expect(log.lines).toMatchObject([
      { level: 'info', message: 'sweep ended' },
      { level: 'warn', message: 'next sweep not sent, it comes with the next minute' },
    ])
  })
})
