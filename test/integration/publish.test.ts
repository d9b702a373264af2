import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type EventBus, openEventBus } from '../../lib/aws/eventbridge.ts'
import type { OutboxEvent } from '../../lib/events.ts'
import { createPublish } from '../../lib/publish.ts'
import { openOutbox, openStore } from '../../lib/store/open-store.ts'
import { silentLog } from '../../lib/telemetry/log.ts'
import type { LocalEventBus } from '../../local/parts/event-bus.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { startTestEventBus } from '../support/event-bus.ts'
import { recordedLog } from '../support/recorded-log.ts'
import { instanceRecord, type StoreDatabase, soon, storeDatabase } from './store/store-database.ts'

let database: StoreDatabase
let server: LocalEventBus

beforeAll(async () => {
  database = await storeDatabase()
})
beforeEach(async () => {
  server = await startTestEventBus()
  await database.rows('TRUNCATE challenge_operator.instance, challenge_operator.outbox')
  return () => server.stop()
})
afterAll(() => database.remove())

function realBus(endpoint = server.endpoint): EventBus {
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }
  return openEventBus({
    busName: 'ctf-events',
    clientOptions: { endpoint, region: 'eu-central-1', credentials, maxAttempts: 1 },
  })
}

const publishTo = (bus: EventBus) =>
  createPublish({ outbox: openOutbox(database.db, 'test'), bus, log: silentLog })

async function fill(count: number): Promise<string[]> {
  const store = openStore(database.db)
  const uids = Array.from({ length: count }, (_, index) => `uid-${String(index).padStart(3, '0')}`)
  for (const uid of uids) await store.record(instanceRecord({ uid, template: uid }), soon())
  return uids
}

const arrived = () => server.events().map(event => (event.detail as { uid: string }).uid)

describe('publish', () => {
  it('publishes every event once, the oldest first', async () => {
    const uids = await fill(130)
    const publish = publishTo(realBus())
    expect(await publish({}, soon())).toEqual({ claimed: 130, published: 130 })
    expect(arrived()).toEqual(uids)
    expect(await publish({}, soon())).toEqual({ claimed: 0, published: 0 })
  })

  it('publishes at most as many events as the limit', async () => {
    await fill(5)
    expect(await publishTo(realBus())({ limit: 3 }, soon())).toEqual({ claimed: 3, published: 3 })
    expect(arrived()).toHaveLength(3)
  })

  it('publishes every event once when two run at the same time', async () => {
    const uids = await fill(250)
    const publish = publishTo(realBus())
    const runs = await Promise.all([publish({}, soon()), publish({}, soon())])
    expect(runs.reduce((sum, run) => sum + run.published, 0)).toBe(250)
    expect(arrived().sort()).toEqual(uids)
  })
})

/** Passes the first request on to the bus. Every later one gets no answer. */
async function hangingAfterFirst(): Promise<{ endpoint: string; stop(): void }> {
  let requests = 0
  const proxy = createServer((request, response) => {
    requests += 1
    if (requests > 1) return
    const { method, headers, url = '/' } = request
    const passedOn = httpRequest(new URL(url, server.endpoint), { method, headers }, answer => {
      response.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(response)
    })
    request.pipe(passedOn)
  })
  await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve))
  const { port } = proxy.address() as AddressInfo
  return {
    endpoint: `http://127.0.0.1:${port}`,
    stop() {
      proxy.closeAllConnections()
      proxy.close()
    },
  }
}

describe('publish, when the bus is slow', () => {
  it('marks what the bus has accepted, so that no event is published again', async () => {
    const uids = await fill(25)
    const slow = await hangingAfterFirst()
    try {
      await expect(publishTo(realBus(slow.endpoint))({ busMs: 1_000 }, soon())).rejects.toThrow()
    } finally {
      slow.stop()
    }
    expect(arrived()).toEqual(uids.slice(0, 10))
    expect(await publishTo(realBus())({}, soon())).toEqual({ claimed: 15, published: 15 })
    expect(arrived()).toEqual(uids)
  })
})

describe('publish, when events are refused', () => {
  it('leaves refused events for the next run', async () => {
    await fill(5)
    const publish = publishTo(realBus())
    server.failNext(2)
    expect(await publish({}, soon())).toEqual({ claimed: 5, published: 3 })
    expect(await publish({}, soon())).toEqual({ claimed: 2, published: 2 })
    expect(arrived().sort()).toEqual(['uid-000', 'uid-001', 'uid-002', 'uid-003', 'uid-004'])
  })

  it('publishes the others even if more events than a page are refused every time', async () => {
    const uids = await fill(240)
    const poison = new Set(uids.slice(0, 120))
    const real = realBus()
    const asked: string[] = []
    const bus: EventBus = {
      async put(events, signal) {
        asked.push(...events.map(event => String(event.payload.uid)))
        const isPoison = (event: OutboxEvent) => poison.has(String(event.payload.uid))
        const { accepted } = await real.put(
          events.filter(event => !isPoison(event)),
          signal,
        )
        const refused = events
          .filter(isPoison)
          .map(event => ({ event, why: 'InternalFailure', lasting: false }))
        return { accepted, refused }
      },
    }
    expect(await publishTo(bus)({}, soon())).toEqual({ claimed: 240, published: 120 })
    expect(asked.sort()).toEqual(uids)
    expect(arrived().sort()).toEqual(uids.slice(120))
  })

  it('publishes the others if the oldest event is too big for the bus', async () => {
    await fill(12)
    await database.rows(`
      UPDATE challenge_operator.outbox SET payload = payload || jsonb_build_object('note', repeat('x', 300000))
      WHERE instance_uid = 'uid-000'`)
    const { log, lines } = recordedLog()
    const publish = createPublish({ outbox: openOutbox(database.db, 'test'), bus: realBus(), log })
    expect(await publish({}, soon())).toEqual({ claimed: 12, published: 11 })
    const line = {
      level: 'warn',
      message: 'event refused by the event bus',
      fields: {
        namespace: 'default',
        name: 'web-1-team-1',
        uid: 'uid-000',
        type: 'instance.ready',
        eventId: expect.any(String),
        why: expect.stringMatching(/^it has 300\d+ bytes, and the bus takes 262143$/),
      },
    }
    expect(lines).toEqual([line])
    expect(await publish({}, soon())).toEqual({ claimed: 0, published: 0 })
    expect(lines).toEqual([line])
  })

  it('publishes the events of an instance with more notes than the bus takes, and marks them as cut', async () => {
    const notes = Object.fromEntries(
      Array.from({ length: 10 }, (_, index) => [`note-${index}`, 'x'.repeat(6_000 * (index + 1))]),
    )
    await openStore(database.db).record(instanceRecord({ notes }), soon())
    expect(await publishTo(realBus())({}, soon())).toEqual({ claimed: 1, published: 1 })
    const detail = server.events()[0]?.detail as { notes: Record<string, string>; notesCut: boolean }
    expect(detail.notesCut).toBe(true)
    expect(detail.notes).toEqual(Object.fromEntries(Object.entries(notes).slice(0, 7)))
    const [row] = await database.rows<{ notes: unknown }>('SELECT notes FROM challenge_operator.instance')
    expect(row?.notes).toEqual(notes)
  })

  it('throws if the whole bus is away, and publishes the events later', async () => {
    await fill(2)
    await expect(publishTo(realBus('http://127.0.0.1:1'))({}, soon())).rejects.toMatchObject({
      name: 'OperatorError',
    })
    expect(await publishTo(realBus())({}, soon())).toEqual({ claimed: 2, published: 2 })
  })

  it('returns what was done when its signal aborts', async () => {
    await fill(150)
    const real = realBus()
    const stop = new AbortController()
    const bus: EventBus = {
      async put(events, signal) {
        if (server.events().length > 0) stop.abort()
        return real.put(events, signal)
      },
    }
    expect(await publishTo(bus)({}, stop.signal)).toMatchObject({ published: 100 })
    // The server keeps the locks of the broken session until it notices its end.
    const next = publishTo(real)
    let published = 0
    const isPublished = async () => {
      published += (await next({}, soon())).published
      return published >= 50
    }
    await waitUntil('the other events', 20_000, isPublished, soon())
    expect(published).toBe(50)
  })
})
