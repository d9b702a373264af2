import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { OutboxEvent } from '../../../lib/events.ts'
import { openOutbox, openStore } from '../../../lib/store/open-store.ts'
import type { Outbox } from '../../../lib/store/store.ts'
import { instanceRecord, type StoreDatabase, soon, storeDatabase, takeAll } from './store-database.ts'

let database: StoreDatabase
let outbox: Outbox

beforeAll(async () => {
  database = await storeDatabase()
  outbox = openOutbox(database.db, 'own')
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

/** A bus that refuses the events of one instance. */
const refusing = (uid: string, lasting: boolean) => async (events: OutboxEvent[]) => ({
  accepted: events.filter(event => event.payload.uid !== uid),
  refused: events
    .filter(event => event.payload.uid === uid)
    .map(event => ({ event, why: 'ValidationException', lasting })),
})

describe('Outbox.drain', () => {
  it('passes on the oldest events first, at most as many as the limit', async () => {
    await fill(5)
    const seen: OutboxEvent[] = []
    const publish = async (events: OutboxEvent[]) => {
      seen.push(...events)
      return takeAll(events)
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

  it('leaves the events of another bus to its publisher, and takes those for any', async () => {
    const written: Record<string, { bus?: string }> = {
      'for-own': { bus: 'own' },
      'for-other': { bus: 'other' },
      'for-any': {},
    }
    for (const [uid, options] of Object.entries(written))
      await openStore(database.db, options).record(instanceRecord({ uid, template: uid }), soon())
    const takenBy = async (bus: string) => {
      const taken: unknown[] = []
      const publish = async (events: OutboxEvent[]) => {
        taken.push(...events.map(event => event.payload.uid))
        return takeAll(events)
      }
      await openOutbox(database.db, bus).drain(10, publish, soon())
      return taken
    }
    expect(await takenBy('own')).toEqual(['for-own', 'for-any'])
    expect(await takenBy('own')).toEqual([])
    expect(await takenBy('other')).toEqual(['for-other'])
  })

  it('addresses the events of a closed row to the bus of whoever closes it', async () => {
    await openStore(database.db, { bus: 'other' }).record(instanceRecord({ phase: 'Pending' }), soon())
    await openStore(database.db, { bus: 'own' }).close('uid-1', { why: 'deleted' }, soon())
    expect(await outbox.drain(10, takeAll, soon())).toEqual({ claimed: 1, published: 1 })
  })

  it('passes each event to one of four publishers at the same time', async () => {
    await fill(60)
    const published: string[] = []
    const publisher = async () => {
      const publish = async (events: OutboxEvent[]) => {
        await sleep(Math.random() * 5)
        published.push(...events.map(event => event.eventId))
        return takeAll(events)
      }
      while ((await outbox.drain(7, publish, soon())).claimed > 0);
    }
    await Promise.all([publisher(), publisher(), publisher(), publisher()])
    expect(published).toHaveLength(60)
    expect(new Set(published).size).toBe(60)
  })

  it('puts an event that is refused every time behind all others', async () => {
    await fill(4)
    const picky = refusing('uid-000', false)
    expect(await outbox.drain(1, picky, soon())).toEqual({ claimed: 1, published: 0 })
    expect(await outbox.drain(2, picky, soon())).toEqual({ claimed: 2, published: 2 })
    expect(await outbox.drain(2, picky, soon())).toEqual({ claimed: 2, published: 1 })
    expect(await outbox.drain(2, takeAll, soon())).toEqual({ claimed: 1, published: 1 })
  })

  it('leaves out an event whose refusal lasts, for twice as long each time, up to a day', async () => {
    await fill(2)
    const picky = refusing('uid-000', true)
    const minutes: number[] = []
    for (let refusals = 1; refusals <= 14; refusals += 1) {
      await outbox.drain(10, picky, soon())
      expect(await outbox.drain(10, picky, soon())).toEqual({ claimed: 0, published: 0 })
      const [row] = await database.rows<{ minutes: number; refusals: number }>(`
        SELECT refusals, round(extract(epoch FROM retry_at - now()) / 60)::int AS minutes
        FROM challenge_operator.outbox WHERE published_at IS NULL`)
      expect(row?.refusals).toBe(refusals)
      minutes.push(row?.minutes ?? 0)
      await database.rows('UPDATE challenge_operator.outbox SET retry_at = now()')
    }
    expect(minutes).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1440, 1440, 1440])
    expect(await outbox.drain(10, takeAll, soon())).toEqual({ claimed: 1, published: 1 })
  })

  it('counts no refusal of an event that was not tried', async () => {
    await fill(2)
    const first = async (events: OutboxEvent[]) => ({ accepted: events.slice(0, 1), refused: [] })
    expect(await outbox.drain(10, first, soon())).toEqual({ claimed: 2, published: 1 })
    expect(await database.rows('SELECT DISTINCT refusals FROM challenge_operator.outbox')).toEqual([
      { refusals: 0 },
    ])
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
    expect(await outbox.drain(10, takeAll, soon())).toEqual({ claimed: 2, published: 2 })
  })
})

describe('Outbox.oldestMs', () => {
  it('is the age of the oldest event that waits, for this bus or for any', async () => {
    expect(await outbox.oldestMs(soon())).toBe(0)
    await openStore(database.db, { bus: 'other' }).record(instanceRecord({ uid: 'of-other' }), soon())
    await database.rows(`UPDATE challenge_operator.outbox SET created_at = now() - interval '1 hour'`)
    expect(await outbox.oldestMs(soon())).toBe(0)
    await fill(2)
    await database.rows(
      `UPDATE challenge_operator.outbox SET created_at = now() - interval '90 s' WHERE instance_uid = 'uid-001'`,
    )
    const waiting = await outbox.oldestMs(soon())
    expect(waiting).toBeGreaterThanOrEqual(90_000)
    expect(waiting).toBeLessThan(3_000_000)
  })

  it('leaves out events that were published, and those that the bus refused for themselves', async () => {
    await fill(1)
    await outbox.drain(5, refusing('uid-000', true), soon())
    expect(await outbox.oldestMs(soon())).toBe(0)
    await database.rows('UPDATE challenge_operator.outbox SET retry_at = NULL')
    expect(await outbox.oldestMs(soon())).toBeGreaterThan(0)
    await outbox.drain(5, async events => takeAll(events), soon())
    expect(await outbox.oldestMs(soon())).toBe(0)
  })
})
