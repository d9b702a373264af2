import { describe, expect, it } from 'vitest'
import { createHandler } from '../../../../functions/publish/handler.ts'
import { lambdaContext } from '../../../../local/lambda/context.ts'
import { keptLog, scheduledEvent } from '../lambda-events.ts'

function setUp(drains: Array<{ claimed: number; published: number }>) {
  const log = keptLog()
  let calls = 0
  const handler = createHandler({
    publish: async () => drains[calls++] ?? { claimed: 0, published: 0 },
    log,
    limit: 2,
  })
  const run = async () => {
    await handler(scheduledEvent('2026-01-01T00:00:00Z'), lambdaContext('publish', 60_000))
    return { calls, lines: log.lines.map(line => line.level) }
  }
  return { run }
}

describe('how long is the outbox drained', () => {
  it('is it until it is empty', async () => {
    const full = { claimed: 2, published: 2 }
    expect(await setUp([full, full, { claimed: 1, published: 1 }]).run()).toEqual({
      calls: 3,
      lines: ['info'],
    })
  })

  it('is an empty one no line', async () => {
    expect(await setUp([]).run()).toEqual({ calls: 1, lines: [] })
  })

  it('is it not when the bus accepts nothing: the same events would be claimed for ever', async () => {
    expect(await setUp([{ claimed: 2, published: 0 }]).run()).toEqual({ calls: 1, lines: ['warn'] })
  })
})
