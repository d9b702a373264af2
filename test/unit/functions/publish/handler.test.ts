import { describe, expect, it } from 'vitest'
import { createHandler } from '../../../../functions/publish/handler.ts'
import { lambdaContext } from '../../../../local/lambda/context.ts'
import { keptMetrics } from '../../../support/kept-metrics.ts'
import { keptLog, scheduledEvent } from '../lambda-events.ts'

function setUp(drains: Array<{ claimed: number; published: number }>) {
  const log = keptLog()
  const measured = keptMetrics()
  let calls = 0
  const handler = createHandler({
    publish: async () => drains[calls++] ?? { claimed: 0, published: 0 },
    oldestMs: async () => 61_000,
    log,
    metrics: measured.metrics,
    limit: 2,
  })
  const run = async () => {
    await handler(scheduledEvent('2026-01-01T00:00:00Z'), lambdaContext('publish', 60_000))
    return { calls, lines: log.lines.map(line => line.level) }
  }
  return { run, measured }
}

describe('the publish handler', () => {
  it('publishes until the outbox is empty', async () => {
    const full = { claimed: 2, published: 2 }
    expect(await setUp([full, full, { claimed: 1, published: 1 }]).run()).toEqual({
      calls: 3,
      lines: ['info'],
    })
  })

  it('tells the age of the oldest event that is left', async () => {
    const { run, measured } = setUp([{ claimed: 2, published: 0 }])
    await run()
    expect(measured.valuesOf('OutboxLag')).toEqual([61])
    expect(measured.flushed).toHaveLength(1)
  })

  it('writes no line about an empty outbox', async () => {
    expect(await setUp([]).run()).toEqual({ calls: 1, lines: [] })
  })

  it('stops when the bus accepts nothing, since it would claim the same events again', async () => {
    expect(await setUp([{ claimed: 2, published: 0 }]).run()).toEqual({ calls: 1, lines: ['warn'] })
  })

  it.each([
    { title: 'writes no line if it is asked to end while it measures', asked: true, lines: [] },
    { title: 'reports a database that does not answer', asked: false, lines: ['error'] },
  ])('$title', async ({ asked, lines }) => {
    const log = keptLog()
    const ending = new AbortController()
    const handler = createHandler({
      publish: async () => ({ claimed: 0, published: 0 }),
      async oldestMs() {
        if (asked) ending.abort()
        throw new Error('the query was cut off')
      },
      log,
      stopping: ending.signal,
    })
    const invoked = handler(scheduledEvent('2026-01-01T00:00:00Z'), lambdaContext('publish', 60_000))
    await (asked ? invoked : expect(invoked).rejects.toThrow('cut off'))
    expect(log.lines.map(line => line.level)).toEqual(lines)
  })
})
