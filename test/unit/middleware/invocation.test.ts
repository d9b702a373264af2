import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { deadline } from '../../../lib/middleware/deadline.ts'
import { errorLog } from '../../../lib/middleware/error-log.ts'
import { invocation } from '../../../lib/middleware/invocation.ts'
import { metricsFlush } from '../../../lib/middleware/metrics-flush.ts'
import { type Log, silentLog } from '../../../lib/telemetry/log.ts'
import { noMetrics } from '../../../lib/telemetry/metrics.ts'
import { lambdaContext } from '../../../local/lambda/context.ts'

const context = (timeoutMs = 60_000) => lambdaContext('test', timeoutMs)

describe('when does the signal come', () => {
  const untilAborted = (options: { reserveMs: number; stopping?: AbortSignal }) =>
    invocation(
      async (_: unknown, { signal }) => {
        const started = Date.now()
        await sleep(5_000, undefined, { signal }).catch(() => {})
        return Date.now() - started
      },
      { log: silentLog, ...options },
    )

  it('is it the reserve before the end, and does the handler still answer', async () => {
    const took = await untilAborted({ reserveMs: 1_000 })({}, context(1_100))
    expect(took).toBeGreaterThanOrEqual(90)
    expect(took).toBeLessThan(4_000)
  })

  it('is it at once when less than the reserve is left', async () => {
    expect(await untilAborted({ reserveMs: 1_000 })({}, context(500))).toBeLessThan(4_000)
  })

  it('is it when the process is asked to stop', async () => {
    const run = untilAborted({ reserveMs: 1_000, stopping: AbortSignal.timeout(30) })
    expect(await run({}, context())).toBeLessThan(4_000)
  })

  it('are two invocations side by side apart from each other', async () => {
    const run = untilAborted({ reserveMs: 1_000 })
    const [short, long] = await Promise.all([run({}, context(1_050)), run({}, context(1_400))])
    expect(long - short).toBeGreaterThan(200)
  })
})

describe('what becomes of a failure', () => {
  const failure = new Error('original')
  const fail = async () => {
    throw failure
  }

  it('does it come out as it was, after one line', async () => {
    const lines: unknown[] = []
    const log: Log = { ...silentLog, error: (message, fields) => lines.push([message, fields?.error]) }
    await expect(invocation(fail, { log, reserveMs: 0 })({}, context())).rejects.toBe(failure)
    expect(lines).toEqual([['invocation failed', failure]])
  })

  it('does it come out as it was though log and metrics are broken', async () => {
    const broken = () => {
      throw new Error('disk full')
    }
    const log: Log = { ...silentLog, error: broken }
    const run = invocation(fail, { log, metrics: { ...noMetrics, flush: broken }, reserveMs: 0 })
    await expect(run({}, context())).rejects.toBe(failure)
  })
})

describe('are options checked', () => {
  it.each([
    ['deadline', () => deadline({ reserveMS: 1 } as never), 'reserveMS'],
    ['errorLog', () => errorLog({ logger: silentLog } as never), 'logger'],
    ['metricsFlush', () => metricsFlush({ metric: noMetrics } as never), 'metric'],
  ])('does %s refuse a name it does not know, by that name', (middleware, make, name) => {
    expect(make).toThrow(`middleware ${middleware}: unknown option ${name}`)
  })
})
