import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../../lib/store/database.ts'
import { migrate } from '../../../lib/store/migrate.ts'
import { openOutbox, openStore } from '../../../lib/store/open-store.ts'
import { lockPair } from '../../../lib/store/platform-rows.ts'
import type { Store } from '../../../lib/store/store.ts'
import { waitUntil } from '../../../local/process/wait.ts'
import { startTestPostgres } from '../../support/postgres.ts'
import { type SilentProxy, startSilentProxy } from './silent-proxy.ts'
import { instanceRecord, type StoreDatabase, soon, storeDatabase, takeAll } from './store-database.ts'

const unavailable = { name: 'OperatorError', reason: 'DatabaseUnavailable', fate: 'retryable' }

let database: StoreDatabase
let proxy: SilentProxy
/** One connection through the proxy, as a function has it. */
let single: Database
let store: Store

beforeAll(async () => {
  database = await storeDatabase()
  proxy = await startSilentProxy(database.url)
})
afterAll(async () => {
  await proxy.stop()
  await database.remove()
})
beforeEach(async () => {
  await database.rows(
    'TRUNCATE challenge_operator.instance, challenge_operator.outbox, challenges_teamserviceinstance',
  )
  single = openDatabase({ url: proxy.url, max: 1, applicationName: 'single' })
  store = openStore(single)
})
afterEach(() => single.destroy())

async function elapsed(work: Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work
  return performance.now() - started
}

async function untilRecorded(record = instanceRecord()): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    try {
      await store.record(record, AbortSignal.timeout(500))
      return
    } catch (thrown) {
      expect(thrown).toMatchObject(unavailable)
      if (tries > 20) throw thrown
    }
  }
}

const everything = async () => ({
  instances: await database.rows('SELECT uid, phase, sequence, deleted_at FROM challenge_operator.instance'),
  events: (await database.rows('SELECT type FROM challenge_operator.outbox ORDER BY id')).map(
    row => row.type,
  ),
  platform: (await database.platformRows()).map(row => row.status),
})

const noSession = async () => {
  const sessions = await database.rows(`SELECT pid FROM pg_stat_activity WHERE application_name = 'single'`)
  return sessions.length === 0
}

describe('a silent database', () => {
  it('delays no caller whose connection became silent', async () => {
    await store.record(instanceRecord({ phase: 'Pending' }), soon())
    proxy.silence()
    const cut = expect(store.record(instanceRecord(), AbortSignal.timeout(500))).rejects.toMatchObject(
      unavailable,
    )
    expect(await elapsed(cut)).toBeLessThan(4_000)
    proxy.speak()
    expect(await elapsed(untilRecorded())).toBeLessThan(4_000)
    expect(await everything()).toMatchObject({ events: ['instance.ready'], platform: ['running'] })
  })

  it('delays no caller whose connection was never answered, and frees the place in the pool', async () => {
    proxy.silence()
    const cut = expect(store.record(instanceRecord(), AbortSignal.timeout(500))).rejects.toMatchObject(
      unavailable,
    )
    expect(await elapsed(cut)).toBeLessThan(4_000)
    proxy.speak()
    expect(await elapsed(untilRecorded())).toBeLessThan(4_000)
  })

  it('delays no caller while it stays silent', async () => {
    proxy.silence()
    for (let tries = 0; tries < 4; tries += 1) {
      const cut = expect(
        store.close('uid-1', { why: 'deleted' }, AbortSignal.timeout(300)),
      ).rejects.toMatchObject(unavailable)
      expect(await elapsed(cut)).toBeLessThan(4_000)
    }
    proxy.speak()
    await untilRecorded()
  })

  it('delays no caller whose signal has aborted before the call', async () => {
    await expect(store.record(instanceRecord(), AbortSignal.abort())).rejects.toMatchObject(unavailable)
    await untilRecorded()
  })
})

describe('a write that is cut off', () => {
  it('leaves nothing behind when another writer holds the pair', async () => {
    await database.db.transaction().execute(async transaction => {
      await lockPair(transaction, { teamId: '1', template: 'web-1' })
      await expect(store.record(instanceRecord(), AbortSignal.timeout(200))).rejects.toMatchObject(
        unavailable,
      )
    })
    await sleep(100)
    expect(await everything()).toEqual({ instances: [], events: [], platform: [] })
    await untilRecorded()
  })

  it.each(['before', 'after'] as const)(
    'leaves all or nothing behind when the connection is cut %s each packet in turn',
    async when => {
      const before = { instances: [{ phase: 'Provisioning', sequence: 1 }], platform: ['pending'] }
      const after = { instances: [{ phase: 'Ready', sequence: 2 }], platform: ['running'] }
      let cuts = 0
      for (let at = 1; ; at += 1) {
        const uid = `uid-${at}`
        await database.rows('TRUNCATE challenge_operator.instance, challenge_operator.outbox')
        await untilRecorded(instanceRecord({ uid, phase: 'Provisioning' }))
        const sent = proxy.packets()
        proxy.cutAt(at, when)
        const failed = await store.record(instanceRecord({ uid }), soon()).then(
          () => false,
          thrown => {
            expect(thrown).toMatchObject(unavailable)
            return true
          },
        )
        if (!failed) {
          expect(proxy.packets() - sent).toBeLessThan(at)
          break
        }
        cuts += 1
        // The server notices the end of the connection a moment later, and may end the last statement first.
        await waitUntil('the end of the cut session', 10_000, noSession, soon())
        const left = await everything()
        expect([before, after]).toContainEqual({
          instances: [{ phase: left.instances[0]?.phase, sequence: left.instances[0]?.sequence }],
          platform: left.platform,
        })
        await untilRecorded(instanceRecord({ uid }))
        expect(await everything()).toMatchObject({
          ...after,
          events: ['instance.provisioning', 'instance.ready'],
        })
      }
      expect(cuts).toBeGreaterThanOrEqual(5)
    },
  )

  it('leaves an event unpublished when the server ends the session while the bus is called', async () => {
    await store.record(instanceRecord(), soon())
    const outbox = openOutbox(single, 'test')
    const drained = outbox.drain(
      10,
      async events => {
        await database.rows(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'single'`,
        )
        await sleep(50)
        return takeAll(events)
      },
      soon(),
    )
    await expect(drained).rejects.toMatchObject(unavailable)
    expect(await outbox.drain(10, takeAll, soon())).toEqual({ claimed: 1, published: 1 })
  })

  it('succeeds on a new connection after the server ended an idle session', async () => {
    await store.record(instanceRecord(), soon())
    // With a timeout, the server answers when the session is gone. The client then reads that before the next statement.
    await database.rows(
      `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'single'`,
    )
    await sleep(50)
    expect(await store.record(instanceRecord({ phase: 'Failed' }), soon())).toMatchObject({ events: 1 })
  })
})

describe('the error of an unusable DATABASE_URL', () => {
  it.each([
    ['nothing listens on the port', { port: '1' }, /ECONNREFUSED.*DATABASE_URL/],
    ['the password is wrong', { password: 'hunter2' }, /password.*DATABASE_URL/],
    ['there is no such database', { pathname: '/nowhere' }, /no database of that name/],
    ['there is no such host', { hostname: 'database.invalid' }, /cannot be reached/],
  ])('names the remedy and no password when %s', async (_, wrong, message) => {
    const url = new URL(database.url)
    const { password } = url
    Object.assign(url, wrong)
    const broken = openDatabase({ url: url.href })
    const thrown = await openStore(broken)
      .record(instanceRecord(), soon())
      .catch(error => error)
    expect(thrown).toMatchObject({ ...unavailable, message: expect.stringMatching(message) })
    expect(thrown.message).not.toContain(password)
    expect(thrown.message).not.toContain('hunter2')
    await broken.destroy()
  })
})

describe('a database that restarts', () => {
  it('takes the writes again after a kill', async () => {
    const postgres = await startTestPostgres()
    const own = openDatabase({ url: postgres.url, max: 2 })
    const ownStore = openStore(own)
    await migrate(own, soon())
    await ownStore.record(instanceRecord(), soon())
    const back = postgres.restart({ how: 'kill', downMs: 300 }, soon())
    await sleep(100)
    await expect(
      ownStore.record(instanceRecord({ uid: 'b' }), AbortSignal.timeout(500)),
    ).rejects.toMatchObject(unavailable)
    await expect(ownStore.close('uid-1', { why: 'deleted' }, AbortSignal.timeout(500))).rejects.toMatchObject(
      unavailable,
    )
    await back
    expect(await ownStore.record(instanceRecord({ uid: 'b' }), soon())).toMatchObject({ events: 1 })
    expect(await ownStore.close('uid-1', { why: 'deleted' }, soon())).toMatchObject({ events: 1 })
    await own.destroy()
    await postgres.stop()
  })
})
