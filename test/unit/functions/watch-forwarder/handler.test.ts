import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createHandler } from '../../../../functions/watch-forwarder/handler.ts'
import { lambdaContext } from '../../../../local/lambda/context.ts'
import { keptLog, scheduledEvent } from '../lambda-events.ts'

const event = scheduledEvent('2026-01-01T00:00:00Z')

describe('how does a window end', () => {
  it('is it in order, fifteen seconds before the invocation', async () => {
    let inOrder = false
    const handler = createHandler({
      forward: async signal => {
        await sleep(60_000, undefined, { signal }).catch(() => {})
        inOrder = true
      },
      log: keptLog(),
    })
    const started = Date.now()
    await handler(event, lambdaContext('watch-forwarder', 15_100))
    expect(inOrder).toBe(true)
    expect(Date.now() - started).toBeLessThan(2_000)
  })

  it('is it when the process is asked to stop', async () => {
    const handler = createHandler({
      forward: signal => sleep(60_000, undefined, { signal }),
      log: keptLog(),
      stopping: AbortSignal.timeout(20),
    })
    await expect(handler(event, lambdaContext('watch-forwarder', 900_000))).resolves.toBeUndefined()
  })

  it('is a failure before that one of the invocation', async () => {
    const log = keptLog()
    const handler = createHandler({
      forward: async () => {
        throw new Error('no lease')
      },
      log,
    })
    await expect(handler(event, lambdaContext('watch-forwarder', 900_000))).rejects.toThrow('no lease')
    expect(log.lines).toMatchObject([{ level: 'error', message: 'invocation failed' }])
  })
})
