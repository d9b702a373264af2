import { describe, expect, it } from 'vitest'
import { createHandler } from '../../../../functions/sweep/handler.ts'
import { OperatorError } from '../../../../lib/errors.ts'
import { lambdaContext } from '../../../../local/lambda/context.ts'
import { keptLog, scheduledEvent } from '../lambda-events.ts'

interface Given {
  intervalSeconds?: number
  resyncMinutes?: number
  /** Sweeps that fail, counted from 0. */
  failing?: number[]
  stopping?: AbortSignal
}

/** The clock leaps by an interval with every sweep, so that no test waits. */
function setUp({ intervalSeconds = 15, resyncMinutes = 10, failing = [], stopping }: Given = {}) {
  const resyncs: boolean[] = []
  let now = 0
  const handler = createHandler({
    sweep: async ({ resync }) => {
      resyncs.push(resync)
      now += intervalSeconds * 1_000
      if (failing.includes(resyncs.length - 1)) throw new OperatorError('ClusterUnavailable', 'away')
      return { examined: 3, enqueued: 0 }
    },
    intervalSeconds,
    resyncMinutes,
    log: keptLog(),
    clock: () => now,
    ...(stopping ? { stopping } : {}),
  })
  const run = (time: string) => handler(scheduledEvent(time), lambdaContext('sweep', 120_000))
  return { run, resyncs }
}

describe('how often is swept', () => {
  it.each([
    [15, 4],
    [5, 12],
    [60, 1],
    [45, 1],
  ])('is a minute of interval %i filled with %i sweeps', async (intervalSeconds, times) => {
    const { run, resyncs } = setUp({ intervalSeconds })
    await run('2026-01-01T00:01:00Z')
    expect(resyncs).toHaveLength(times)
  })

  it('does an interval of minutes leave out the minutes between', async () => {
    const { run, resyncs } = setUp({ intervalSeconds: 180 })
    for (const minute of [0, 1, 2, 3, 4, 5]) await run(`2026-01-01T00:0${minute}:00Z`)
    expect(resyncs).toHaveLength(2)
  })

  it('does it stop at the signal', async () => {
    const { run, resyncs } = setUp({ stopping: AbortSignal.abort() })
    await run('2026-01-01T00:01:00Z')
    expect(resyncs).toEqual([])
  })
})

describe('when are children verified', () => {
  it('is it by the first sweep of every tenth minute, whoever asks', async () => {
    const { run, resyncs } = setUp({ intervalSeconds: 30 })
    for (const minute of ['09', '10', '11', '20']) await run(`2026-01-01T00:${minute}:00Z`)
    expect(resyncs).toEqual([false, false, true, false, false, false, true, false])
  })

  it('does the next sweep make up for one that failed', async () => {
    const { run, resyncs } = setUp({ intervalSeconds: 20, failing: [0] })
    await run('2026-01-01T00:10:00Z')
    expect(resyncs).toEqual([true, true, false])
  })
})

describe('when does the invocation fail', () => {
  it('is it when its last sweep did', async () => {
    await expect(setUp({ failing: [3] }).run('2026-01-01T00:01:00Z')).rejects.toThrow('away')
    await expect(setUp({ failing: [0, 1, 2] }).run('2026-01-01T00:01:00Z')).resolves.toBeUndefined()
  })
})
