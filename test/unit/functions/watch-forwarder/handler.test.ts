import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createHandler } from '../../../../functions/watch-forwarder/handler.ts'
import { runWindow } from '../../../../functions/watch-forwarder/window.ts'
import { OperatorError } from '../../../../lib/errors.ts'
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

  it('starts the forwarder again if the check of the schema or the forwarder fails', async () => {
    const log = keptLog()
    const stopping = new AbortController()
    const steps: string[] = []
    const fails = (step: string) => {
      steps.push(step)
      throw new OperatorError('ClusterUnavailable', 'the API server is away')
    }
    const handler = createHandler({
      ready: async () => {
        if (steps.length === 0) fails('schema not read')
      },
      forward: async signal => {
        if (steps.length < 2) fails('forwarder failed')
        steps.push('watches')
        stopping.abort()
        signal.throwIfAborted()
      },
      log,
      stopping: stopping.signal,
    })
    await handler(event, lambdaContext('watch-forwarder', 900_000))
    expect(steps).toEqual(['schema not read', 'forwarder failed', 'watches'])
    const said = log.lines.map(({ level, message }) => `${level} ${message}`)
    expect(said).toEqual(Array(2).fill('error forwarder failed, it starts again'))
  })

  it('waits for a schema that is too old, until the window ends by its time', async () => {
    const log = keptLog()
    const handler = createHandler({
      ready: async () => {
        throw new OperatorError('SchemaOutdated', 'run crds', { fate: 'permanent' })
      },
      forward: async () => {
        throw new Error('must not be called')
      },
      log,
    })
    await expect(handler(event, lambdaContext('watch-forwarder', 15_050))).resolves.toBeUndefined()
    expect(log.lines).toMatchObject([{ level: 'error', fields: { error: { reason: 'SchemaOutdated' } } }])
  })
})

describe('a window without a time', () => {
  it('ends with a failure that only a change helps against, if it is asked to', async () => {
    let checks = 0
    const ready = async () => {
      checks += 1
      if (checks === 1) throw new OperatorError('ClusterUnavailable', 'away')
      throw new OperatorError('SchemaOutdated', 'run crds', { fate: 'permanent' })
    }
    const options = { forward: async () => {}, ready, log: keptLog(), endsIfPermanent: true, firstPauseMs: 1 }
    await expect(runWindow(options, new AbortController().signal)).rejects.toThrow('run crds')
    expect(checks).toBe(2)
  })
})
