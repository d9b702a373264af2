import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { OutboxEvent } from '../../../lib/events.ts'
import { openOutbox, openStore } from '../../../lib/store/open-store.ts'
import type { Outbox } from '../../../lib/store/store.ts'
import { instanceRecord, type StoreDatabase, soon, storeDatabase } from './store-database.ts'

let database: StoreDatabase
let outbox: Outbox

beforeAll(async () => {
  database = await storeDatabase()
  outbox = openOutbox(database.db)
})
afterAll(() => database.remove())
beforeEach(async () => {
  await database.rows('TRUNCATE challenge_operator.instance, challenge_operator.outbox')
})

async function fill(count: number): Promise<void> {
  const store = openStore(database.db)
  const uids = Array.from({ length: count }, (_, index) => `uid-${String(index).padStart(3, '0')}`)
  for (const uid of uids) await store.record(instanceRecord({ uid, template: uid }), soon())
}

const all = async (events: OutboxEvent[]) => events

describe('Outbox.drain', () => {
  it('passes on the oldest events first, at most as many as the limit', async () => {
    await fill(5)
    const seen: OutboxEvent[] = []
    const publish = async (events: OutboxEvent[]) => {
      seen.push(...events)
      return events
    }
    expect(await outbox.drain(3, publish, soon())).toEqual({ claimed: 3, published: 3 })
    expect(await outbox.drain(3, publish, soon())).toEqual({ claimed: 2, published: 2 })
    expect(await outbox.drain(3, publish, soon())).toEqual({ claimed: 0, published: 0 })
    expect(seen.map(event => event.payload.uid)).toEqual([
      'uid-000',
      'uid-001',
      'uid-002',
      'uid-003',
      'uid-004',
    ])
    expect(seen[0]).toEqual({
      id: expect.stringMatching(/^\d+$/),
      eventId: seen[0]?.payload.eventId,
      type: 'instance.ready',
      payload: expect.objectContaining({ sequence: 1 }),
      createdAt: expect.stringMatching(/Z$/),
    })
  })

  it('passes each event to one of four publishers at the same time', async () => {
    await fill(60)
    const published: string[] = []
    const publisher = async () => {
      const publish = async (events: OutboxEvent[]) => {
        await sleep(Math.random() * 5)
        published.push(...events.map(event => event.eventId))
        return events
      }
      while ((await outbox.drain(7, publish, soon())).claimed > 0);
    }
    await Promise.all([publisher(), publisher(), publisher(), publisher()])
    expect(published).toHaveLength(60)
    expect(new Set(published).size).toBe(60)
  })

  it('puts an event that is refused every time behind all others', async () => {
    await fill(4)
    const picky = async (events: OutboxEvent[]) => events.filter(event => event.payload.uid !== 'uid-000')
    expect(await outbox.drain(1, picky, soon())).toEqual({ claimed: 1, published: 0 })
    expect(await outbox.drain(2, picky, soon())).toEqual({ claimed: 2, published: 2 })
    expect(await outbox.drain(2, picky, soon())).toEqual({ claimed: 2, published: 1 })
    expect(await outbox.drain(2, all, soon())).toEqual({ claimed: 1, published: 1 })
  })

  it('throws the error of publish and leaves the events unpublished', async () => {
    await fill(2)
    const broken = async () => {
      throw new TypeError('not a database')
    }
    await expect(outbox.drain(10, broken, soon())).rejects.toMatchObject({
      reason: 'Internal',
      message: 'not a database',
    })
    expect(await outbox.drain(10, all, soon())).toEqual({ claimed: 2, published: 2 })
  })
})
