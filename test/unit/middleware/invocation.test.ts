import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { deadline } from '../../../lib/middleware/deadline.ts'
import { errorLog } from '../../../lib/middleware/error-log.ts'
import { invocation } from '../../../lib/middleware/invocation.ts'
import { telemetryFlush } from '../../../lib/middleware/telemetry-flush.ts'
import { type Log, silentLog } from '../../../lib/telemetry/log.ts'
import { noMetrics } from '../../../lib/telemetry/metrics.ts'
import { lambdaContext } from '../../../local/lambda/context.ts'

const context = (timeoutMs = 60_000) => lambdaContext('test', timeoutMs)

describe('the signal of an invocation', () => {
  const untilAborted = (options: { reserveMs: number; stopping?: AbortSignal }) =>
    invocation(
      async (_: unknown, { signal }) => {
        const started = Date.now()
        await sleep(5_000, undefined, { signal }).catch(() => {})
        return Date.now() - started
      },
      { log: silentLog, ...options },
    )

  it('aborts the reserve before the end, and the handler still answers', async () => {
    const run = untilAborted({ reserveMs: 1_000 })
    const started = Date.now()
    expect(await run({}, context(1_100))).toBeLessThan(4_000)
    // From before the context: on a busy machine the handler may begin late.
    expect(Date.now() - started).toBeGreaterThanOrEqual(90)
  })

  it('aborts at once when less than the reserve is left', async () => {
    expect(await untilAborted({ reserveMs: 1_000 })({}, context(500))).toBeLessThan(4_000)
  })

  it('aborts when the process is asked to stop', async () => {
    const run = untilAborted({ reserveMs: 1_000, stopping: AbortSignal.timeout(30) })
    expect(await run({}, context())).toBeLessThan(4_000)
  })

  it('belongs to one of two invocations at the same time', async () => {
    const run = untilAborted({ reserveMs: 1_000 })
    const [short, long] = await Promise.all([run({}, context(1_050)), run({}, context(1_400))])
    expect(long - short).toBeGreaterThan(200)
  })
})

describe('an invocation that fails', () => {
  const failure = new Error('original')
  const fail = async () => {
    throw failure
  }

  it('rejects with the original error, after one line', async () => {
    const lines: unknown[] = []
    const log: Log = { ...silentLog, error: (message, fields) => lines.push([message, fields?.error]) }
    await expect(invocation(fail, { log, reserveMs: 0 })({}, context())).rejects.toBe(failure)
    expect(lines).toEqual([['invocation failed', failure]])
  })

  it('rejects with the original error when log and metrics fail too', async () => {
    const broken = () => {
      throw new Error('disk full')
    }
    const log: Log = { ...silentLog, error: broken }
    const run = invocation(fail, { log, metrics: { ...noMetrics, flush: broken }, reserveMs: 0 })
    await expect(run({}, context())).rejects.toBe(failure)
  })
})

describe('the options of a middleware', () => {
  it.each([
    ['deadline', () => deadline({ reserveMS: 1 } as never), 'reserveMS'],
    ['errorLog', () => errorLog({ logger: silentLog } as never), 'logger'],
    ['telemetryFlush', () => telemetryFlush({ metric: noMetrics } as never), 'metric'],
  ])('are refused by %s if their name is unknown', (middleware, make, name) => {
    expect(make).toThrow(`middleware ${middleware}: unknown option ${name}`)
  })
})
