import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { OldHistory } from '../../../lib/store/history.ts'
import { openOutbox, openStore } from '../../../lib/store/open-store.ts'
import { noBus } from '../../../lib/store/outbox.ts'
import type { InstanceRecord } from '../../../lib/store/store.ts'
import { readTimelines } from '../../../lib/store/timeline.ts'
import { waitUntil } from '../../../local/process/wait.ts'
import {
  everywhere,
  instanceRecord,
  type StoreDatabase,
  soon,
  storeDatabase,
  takeAll,
} from './store-database.ts'

let database: StoreDatabase

beforeAll(async () => {
  database = await storeDatabase()
})
afterAll(() => database.remove())
beforeEach(async () => {
  await database.rows('TRUNCATE challenge_operator.instance, challenge_operator.outbox')
})

const store = () => openStore(database.db)
const old: OldHistory = { ...everywhere, days: 30, unpublished: false }
const prune = (changes: Partial<OldHistory> = {}) => store().prune({ ...old, ...changes }, soon())

async function uidsIn(table: 'instance' | 'outbox'): Promise<unknown[]> {
  const column = table === 'instance' ? 'uid' : 'instance_uid'
  const found = await database.rows(
    `SELECT DISTINCT ${column} AS uid FROM challenge_operator.${table} ORDER BY uid`,
  )
  return found.map(({ uid }) => uid)
}

/** Lets an instance be created, closed and published. */
async function live(uid: string, changes: Partial<InstanceRecord> = {}): Promise<void> {
  await store().record(instanceRecord({ uid, template: uid, ...changes }), soon())
  await store().close(uid, { why: 'deleted' }, soon())
  await openOutbox(database.db, 'bus').drain(10, takeAll, soon())
}

/** Moves everything that has happened so far into the past. */
async function age(days: number): Promise<void> {
  await database.rows(`
    UPDATE challenge_operator.instance SET deleted_at = deleted_at - interval '${days} days';
    UPDATE challenge_operator.outbox SET created_at = created_at - interval '${days} days',
      published_at = published_at - interval '${days} days'`)
}

/** Writes closed rows with a published event each. */
async function fill({ count, days }: { count: number; days: number }): Promise<void> {
  await database.rows(`
    INSERT INTO challenge_operator.instance (uid, cluster, namespace, name, team_id, event_id, template, phase,
      created_at, deleted_at)
    SELECT 'uid-' || n, 'cluster-1', 'default', 'name-' || n, 1, 1, 'web', 'Terminating', now(),
      now() - interval '${days} days' FROM generate_series(1, ${count}) n;
    INSERT INTO challenge_operator.outbox (event_id, instance_uid, sequence, type, payload, cluster, published_at)
    SELECT gen_random_uuid(), 'uid-' || n, 1, 'instance.deleted', '{"key": {"namespace": "default"}}', 'cluster-1',
      now() - interval '${days} days' FROM generate_series(1, ${count}) n;
    ANALYZE challenge_operator.instance; ANALYZE challenge_operator.outbox`)
}

describe('Store.prune', () => {
  it('deletes published events and closed rows that are older than the limit, and no younger ones', async () => {
    await live('old')
    await age(2)
    await live('young')
    await age(29)
    expect(await prune()).toEqual({ events: 2, rows: 1 })
    expect(await uidsIn('outbox')).toEqual(['young'])
    expect(await uidsIn('instance')).toEqual(['young'])
  })

  it('keeps the row of an instance that is open, and deletes its old events', async () => {
    await store().record(instanceRecord(), soon())
    await openOutbox(database.db, 'bus').drain(10, takeAll, soon())
    await age(31)
    expect(await prune()).toEqual({ events: 1, rows: 0 })
    expect(await uidsIn('instance')).toEqual(['uid-1'])
    expect(await store().record(instanceRecord({ phase: 'Failed' }), soon())).toMatchObject({ events: 1 })
    const [next] = await database.rows('SELECT sequence FROM challenge_operator.outbox')
    expect(next).toEqual({ sequence: 2 })
  })

  it('keeps an event that is not published, however old it is, and the row of its instance', async () => {
    await live('published')
    await store().record(instanceRecord({ uid: 'waiting', template: 'waiting' }), soon())
    await store().close('waiting', { why: 'deleted' }, soon())
    await age(400)
    expect(await prune()).toEqual({ events: 2, rows: 1 })
    expect(await uidsIn('instance')).toEqual(['waiting'])
    expect(await prune()).toEqual({ events: 0, rows: 0 })
    await openOutbox(database.db, 'bus').drain(10, takeAll, soon())
    await age(31)
    expect(await prune()).toEqual({ events: 2, rows: 1 })
  })

  it('deletes events by their age, published or not, where nothing is published', async () => {
    const kept = openStore(database.db, { bus: noBus })
    await kept.record(instanceRecord({ uid: 'old', template: 'old' }), soon())
    await kept.close('old', { why: 'deleted' }, soon())
    await age(31)
    await kept.record(instanceRecord({ uid: 'young', template: 'young' }), soon())
    expect(await openOutbox(database.db, 'bus').drain(10, takeAll, soon())).toEqual({
      claimed: 0,
      published: 0,
    })
    expect(await prune()).toEqual({ events: 0, rows: 0 })
    expect(await prune({ unpublished: true })).toEqual({ events: 2, rows: 1 })
    expect(await uidsIn('outbox')).toEqual(['young'])
    expect(await uidsIn('instance')).toEqual(['young'])
  })

  it('leaves other clusters, rows without a cluster, and other namespaces to their operators', async () => {
    await live('here')
    await live('elsewhere', { cluster: 'cluster-2' })
    await live('nowhere', { cluster: undefined })
    await live('beside', { namespace: 'other' })
    await age(31)
    expect(await prune({ namespaces: ['default'] })).toEqual({ events: 2, rows: 1 })
    expect(await uidsIn('instance')).toEqual(['beside', 'elsewhere', 'nowhere'])
    expect(await uidsIn('outbox')).toEqual(['beside', 'elsewhere', 'nowhere'])
    expect(await prune({ namespaces: ['other'] })).toEqual({ events: 2, rows: 1 })
  })

  it('deletes events of an earlier release with the row of their instance', async () => {
    await live('upgraded')
    await database.rows('UPDATE challenge_operator.outbox SET cluster = NULL, message = NULL')
    await age(31)
    expect(await prune()).toEqual({ events: 0, rows: 1 })
    expect(await uidsIn('outbox')).toEqual([])
  })

  it('writes nothing where nothing is old enough', async () => {
    await live('young')
    const before = await database.rowVersions()
    expect(await prune()).toEqual({ events: 0, rows: 0 })
    expect(await database.rowVersions()).toEqual(before)
  })

  it('deletes at most 500 events and 500 rows at once', async () => {
    await fill({ count: 1_200, days: 31 })
    const pruned = [await prune(), await prune(), await prune(), await prune()]
    expect(pruned).toEqual([
      { events: 500, rows: 500 },
      { events: 500, rows: 500 },
      { events: 200, rows: 200 },
      { events: 0, rows: 0 },
    ])
  })

  it('reads its indexes, not the tables, where nothing is old enough', async () => {
    await fill({ count: 5_000, days: 1 })
    await database.rows(`
      UPDATE challenge_operator.outbox SET published_at = NULL WHERE instance_uid LIKE '%5';
      ANALYZE challenge_operator.outbox`)
    await database.rows('SELECT pg_stat_reset()')
    const areRead = async () => {
      await prune()
      await prune({ unpublished: true })
      const indexes = await database.rows(`
        SELECT indexrelname FROM pg_stat_user_indexes
        WHERE indexrelname IN ('outbox_published', 'outbox_unpublished_age', 'instance_closed') AND idx_scan > 0`)
      return indexes.length === 3
    }
    // The server reports a transaction with a delay.
    await waitUntil('the indexes are read', 20_000, areRead, AbortSignal.timeout(20_000))
  })
})

describe('readTimelines', () => {
  const timelinesOf = (name: string, namespaces: OldHistory['namespaces'] = '*') =>
    readTimelines(database.db, { name, namespaces }, soon())

  it('returns the events of an instance in their order, with reasons and messages', async () => {
    const record = instanceRecord({ phase: 'Provisioning', message: 'Starts.', url: undefined })
    await store().record(record, soon())
    await store().record(
      { ...record, phase: 'Failed', reason: 'ImagePullFailed', message: 'No image a:1.' },
      soon(),
    )
    await store().record(instanceRecord(), soon())
    const [timeline, ...others] = await timelinesOf('web-1-team-1')
    expect(others).toEqual([])
    expect(timeline).toMatchObject({
      ...{
        uid: 'uid-1',
        cluster: 'cluster-1',
        namespace: 'default',
        name: 'web-1-team-1',
        template: 'web-1',
      },
      ...{ teamId: 1, eventId: 7, phase: 'Ready', deletedAt: null, lastSequence: 3 },
      createdAt: '2026-11-23T10:00:00.000Z',
      events: [
        { sequence: 1, type: 'instance.provisioning', phase: 'Provisioning', reason: null },
        { sequence: 2, type: 'instance.failed', reason: 'ImagePullFailed', message: 'No image a:1.' },
        { sequence: 3, type: 'instance.ready', url: instanceRecord().url, publishedAt: null },
      ],
    })
  })

  it('tells instances apart that had the same name one after the other, also when they are gone', async () => {
    await live('first', { name: 'same', createdAt: '2026-11-23T09:00:00Z' })
    await store().record(instanceRecord({ uid: 'second', name: 'same' }), soon())
    await store().close('second', { why: 'expired' }, soon())
    await live('foreign', { name: 'same', namespace: 'other' })
    const found = await timelinesOf('same', ['default'])
    expect(found.map(({ uid, events }) => [uid, events.map(event => event.type)])).toEqual([
      ['first', ['instance.ready', 'instance.deleted']],
      ['second', ['instance.ready', 'instance.expired', 'instance.deleted']],
    ])
    expect(found.every(each => each.deletedAt !== null)).toBe(true)
  })

  it('returns nothing for a name that nothing has had', async () => {
    expect(await timelinesOf('unknown\0')).toEqual([])
  })
})
