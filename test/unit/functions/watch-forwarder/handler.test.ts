import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createHandler } from '../../../../functions/watch-forwarder/handler.ts'
import { lambdaContext } from '../../../../local/lambda/context.ts'
import { keptLog, scheduledEvent } from '../lambda-events.ts'

const event = scheduledEvent('2026-01-01T00:00:00Z')

describe('the watch-forwarder handler', () => {
  it('ends the forwarder in order, fifteen seconds before the end of the invocation', async () => {
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

  it('ends when the process is asked to stop', async () => {
    const handler = createHandler({
      forward: signal => sleep(60_000, undefined, { signal }),
      log: keptLog(),
      stopping: AbortSignal.timeout(20),
    })
    await expect(handler(event, lambdaContext('watch-forwarder', 900_000))).resolves.toBeUndefined()
  })

  it('fails the invocation if the forwarder fails', async () => {
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
