import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openQuietOperator, type QuietOperator, type Silence } from '../support/quiet-operator.ts'
import { testDatabase, testQueues } from '../support/shared-parts.ts'

/** `node test/bench/quiet-operator.ts` listens to 200 instances for five minutes. */
const instances = 20
const listenMs = 10_000
const sweepEveryMs = 2_000
const renewEveryMs = 5_000

const reading = new Set(['get', 'list', 'watch'])
let operator: QuietOperator
let database: Awaited<ReturnType<typeof testDatabase>>
let silence: Silence

beforeAll(async () => {
  database = await testDatabase()
  operator = await openQuietOperator({ instances, databaseUrl: database.url, queues: await testQueues() })
  silence = await operator.listen(listenMs)
})
afterAll(async () => {
  await operator?.stop()
  await database?.remove()
})

describe('an operator without changes', () => {
  test('sends no message, also for a resync', () => {
    expect(silence.swept).toMatchObject({ examined: instances, enqueued: 0 })
    expect(silence.messages).toEqual([])
  })

  test('writes nothing to the cluster but renewals of the lease', () => {
    const writes = silence.calls.filter(({ verb }) => !reading.has(verb))
    expect(writes.filter(({ resource }) => resource !== 'leases')).toEqual([])
    expect(writes.length).toBeGreaterThan(0)
    expect(writes.length).toBeLessThanOrEqual(listenMs / renewEveryMs + 1)
  })

  test("reads nothing from the cluster but the sweep's pages, the organiser's clock and the Lease", () => {
    const reads = silence.calls.filter(({ verb }) => reading.has(verb))
    const pages = reads.filter(({ verb, userAgent }) => verb === 'list' && userAgent.includes('(sweep)'))
    const clock = reads.filter(
      ({ resource, userAgent }) => resource === 'configmaps' && userAgent.includes('(sweep)'),
    )
    // A sweep asks whose the cluster is.
    const owner = reads.filter(
      ({ resource, userAgent }) => resource === 'leases' && userAgent.includes('(sweep)'),
    )
    const others = reads.filter(each => ![pages, clock, owner].some(expected => expected.includes(each)))
    expect(others).toEqual([])
    // A sweep reads the state of the clock, and the organiser's ConfigMap that it has to follow.
    expect(clock.length).toBeLessThanOrEqual(2 * (listenMs / sweepEveryMs + 2))
    // Each of these sweeps but the first of a minute began by the message of the one before.
    expect(pages.length).toBeGreaterThanOrEqual(listenMs / sweepEveryMs - 2)
    // A sweep lists one page of instances. At the start of a minute one more sweep comes, and may list four of children.
    expect(pages.length).toBeLessThanOrEqual(listenMs / sweepEveryMs + 6)
  })

  test('writes and locks no row', () => {
    expect(silence.rows.after).toEqual(silence.rows.before)
    const [own, outbox, platform] = silence.rows.after.map(({ rows }) => rows)
    expect([own, platform]).toEqual([instances, instances])
    // At least one event each: if the database was slow for a moment, the first record has the phase Ready already.
    expect(outbox).toBeGreaterThanOrEqual(instances)
  })
})
