import { describe, expect, it } from 'vitest'
import { createHandler } from '../../../../functions/sweep/handler.ts'
import { OperatorError } from '../../../../lib/errors.ts'
import { lambdaContext } from '../../../../local/lambda/context.ts'
import { keptMetrics } from '../../../support/kept-metrics.ts'
import { keptLog, scheduledEvent } from '../lambda-events.ts'

interface Options {
  intervalSeconds?: number
  resyncMinutes?: number
  /** The sweeps that fail, counted from 0. */
  failing?: number[]
  /** The number of checks of the schema that fail. */
  failingChecks?: number
  stopping?: AbortSignal
}

/** The clock advances by an interval with every sweep, so no test waits. */
function setUp({
  intervalSeconds = 15,
  resyncMinutes = 10,
  failing = [],
  failingChecks = 0,
  stopping,
}: Options = {}) {
  const resyncs: boolean[] = []
  const measured = keptMetrics()
  let now = 0
  let checks = 0
  const handler = createHandler({
    sweep: async ({ resync }) => {
      resyncs.push(resync)
      now += intervalSeconds * 1_000
      if (failing.includes(resyncs.length - 1)) throw new OperatorError('ClusterUnavailable', 'away')
      return { examined: 3, enqueued: 2, findings: new Map([['drift', 2]]), overdueMs: 4_200, unsynced: 1 }
    },
    ready: async () => {
      checks += 1
      if (checks > failingChecks) return
      now += intervalSeconds * 1_000
      throw new OperatorError('ClusterUnavailable', 'away')
    },
    intervalSeconds,
    resyncMinutes,
    log: keptLog(),
    metrics: measured.metrics,
    clock: () => now,
    ...(stopping ? { stopping } : {}),
  })
  const run = (time: string) => handler(scheduledEvent(time), lambdaContext('sweep', 120_000))
  return { run, resyncs, measured }
}

describe('the metrics of a sweep', () => {
  it('tell what it found, the longest overdue end, and instances without a row', async () => {
    const { run, measured } = setUp({ intervalSeconds: 60 })
    await run('2026-01-01T00:01:00Z')
    expect(measured.flushed).toEqual([
      [
        { name: 'SweepFindings', value: 2, dimensions: { cause: 'drift' } },
        { name: 'ExpiryLag', value: 4, dimensions: {} },
        { name: 'UnsyncedInstances', value: 1, dimensions: {} },
      ],
    ])
  })

  it('tell nothing of a sweep that failed', async () => {
    const { run, measured } = setUp({ intervalSeconds: 60, failing: [0] })
    await expect(run('2026-01-01T00:01:00Z')).rejects.toThrow('away')
    expect(measured.kept).toEqual([])
  })
})

describe('the number of sweeps', () => {
  it.each([
    [15, 4],
    [5, 12],
    [60, 1],
    [45, 1],
  ])('with an interval of %i seconds is %i in a minute', async (intervalSeconds, times) => {
    const { run, resyncs } = setUp({ intervalSeconds })
    await run('2026-01-01T00:01:00Z')
    expect(resyncs).toHaveLength(times)
  })

  it('is zero in the minutes between with an interval of several minutes', async () => {
    const { run, resyncs } = setUp({ intervalSeconds: 180 })
    for (const minute of [0, 1, 2, 3, 4, 5]) await run(`2026-01-01T00:0${minute}:00Z`)
    expect(resyncs).toHaveLength(2)
  })

  it('is zero after the stopping signal', async () => {
    const { run, resyncs } = setUp({ stopping: AbortSignal.abort() })
    await run('2026-01-01T00:01:00Z')
    expect(resyncs).toEqual([])
  })
})

describe('the comparison of children', () => {
  it('belongs to the first sweep of every tenth minute', async () => {
    const { run, resyncs } = setUp({ intervalSeconds: 30 })
    for (const minute of ['09', '10', '11', '20']) await run(`2026-01-01T00:${minute}:00Z`)
    expect(resyncs).toEqual([false, false, true, false, false, false, true, false])
  })

  it.each([
    [180, 10, [0, 12, 21, 30, 42, 51]],
    [420, 10, [0, 14, 21, 35, 42, 56]],
    [90, 3, [0, 3, 6, 9, 12, 15]],
    [3_600, 7, [0, 60, 120, 180, 240, 300]],
  ])('comes with the next sweep if none is due in its minute (%i s, every %i min)', async (...numbers) => {
    const [intervalSeconds, resyncMinutes, expected] = numbers
    const { run, resyncs } = setUp({ intervalSeconds, resyncMinutes })
    const compared: number[] = []
    for (let minute = 0; compared.length < expected.length; minute++) {
      const before = resyncs.length
      await run(new Date(Date.parse('2026-01-01T00:00:00Z') + minute * 60_000).toISOString())
      if (resyncs.slice(before).includes(true)) compared.push(minute)
    }
    expect(compared).toEqual(expected)
  })

  it('is repeated by the next sweep after a failed one', async () => {
    const { run, resyncs } = setUp({ intervalSeconds: 20, failing: [0] })
    await run('2026-01-01T00:10:00Z')
    expect(resyncs).toEqual([true, true, false])
  })
})

describe('the invocation', () => {
  it('fails if its last sweep fails', async () => {
    await expect(setUp({ failing: [3] }).run('2026-01-01T00:01:00Z')).rejects.toThrow('away')
    await expect(setUp({ failing: [0, 1, 2] }).run('2026-01-01T00:01:00Z')).resolves.toBeUndefined()
  })

  it('goes on with its next sweep after a check of the schema that failed', async () => {
    const { run, resyncs } = setUp({ failingChecks: 2 })
    await run('2026-01-01T00:10:00Z')
    expect(resyncs).toEqual([true, false])
  })
})
