import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openStore } from '../../../lib/store/open-store.ts'
import type { Store } from '../../../lib/store/store.ts'
import { instanceRecord, type StoreDatabase, soon, storeDatabase } from './store-database.ts'

let database: StoreDatabase
let store: Store

beforeAll(async () => {
  database = await storeDatabase()
  store = openStore(database.db)
})
afterAll(() => database.remove())
beforeEach(async () => {
  await database.rows(
    'TRUNCATE challenge_operator.instance, challenge_operator.outbox, challenges_teamserviceinstance',
  )
})

const versions = () =>
  database.rows(`
    SELECT xmin::text, ctid::text FROM challenge_operator.instance UNION ALL
    SELECT xmin::text, ctid::text FROM challenge_operator.outbox UNION ALL
    SELECT xmin::text, ctid::text FROM challenges_teamserviceinstance`)
const instances = () => database.rows('SELECT * FROM challenge_operator.instance ORDER BY uid')
const outbox = () => database.rows('SELECT * FROM challenge_operator.outbox ORDER BY id')
const types = async () => (await outbox()).map(row => row.type)

describe('what does a record write', () => {
  it('writes the instance with everything it says', async () => {
    const record = instanceRecord({
      reason: 'RolloutWaiting',
      expiresAt: '2026-11-24T10:00:00.123456789Z',
      notes: { 'ctf.example.com/note': 'née 🏁' },
    })
    expect(await store.record(record, soon())).toEqual({ changed: true, problem: undefined, events: 1 })
    expect(await instances()).toEqual([
      {
        uid: 'uid-1',
        namespace: 'default',
        name: 'web-1-team-1',
        team_id: '1',
        event_id: '7',
        template: 'web-1',
        phase: 'Ready',
        reason: 'RolloutWaiting',
        message: 'Serves.',
        url: record.url,
        flag_hmac: 'abc',
        notes: record.notes,
        created_at: new Date('2026-11-23T10:00:00Z'),
        ready_at: new Date('2026-11-23T10:00:05Z'),
        expires_at: new Date('2026-11-24T10:00:00.123Z'),
        last_active_at: null,
        deleted_at: null,
        sequence: 1,
        platform_problem: null,
      },
    ])
    expect(await store.record(record, soon())).toEqual({ changed: false, problem: undefined, events: 0 })
  })

  it('promises consumers the whole detail', async () => {
    await store.record(instanceRecord({ notes: { a: 'b' } }), soon())
    const [row] = await outbox()
    expect(row).toMatchObject({
      type: 'instance.ready',
      sequence: 1,
      published_at: null,
      instance_uid: 'uid-1',
    })
    expect(row?.payload).toEqual({
      eventId: row?.event_id,
      sequence: 1,
      key: { kind: 'ChallengeInstance', namespace: 'default', name: 'web-1-team-1' },
      uid: 'uid-1',
      owner: { teamId: 1, eventId: 7 },
      template: 'web-1',
      phase: 'Ready',
      reason: null,
      url: instanceRecord().url,
      times: {
        at: expect.stringMatching(/^\d{4}-.*Z$/),
        createdAt: '2026-11-23T10:00:00.000Z',
        readyAt: '2026-11-23T10:00:05.000Z',
        expiresAt: null,
        deletedAt: null,
      },
      notes: { a: 'b' },
    })
  })

  it('writes no row at all when nothing changed', async () => {
    await store.record(instanceRecord(), soon())
    const before = await versions()
    expect(await store.record(instanceRecord(), soon())).toMatchObject({ changed: false, events: 0 })
    expect(await versions()).toEqual(before)
  })

  it('numbers the events of a life without a gap', async () => {
    const life = ['Pending', 'Provisioning', 'Ready', 'Idle', 'Ready', 'Failed', 'Provisioning'] as const
    for (const phase of life) await store.record(instanceRecord({ phase }), soon())
    await store.close('uid-1', 'expired', soon())
    expect(await types()).toEqual(
      ['provisioning', 'ready', 'idle', 'woken', 'ready', 'failed', 'provisioning', 'expired', 'deleted'].map(
        type => `instance.${type}`,
      ),
    )
    expect((await outbox()).map(row => row.sequence)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  it('keeps the hash of a flag that a later pass could not make', async () => {
    await store.record(instanceRecord(), soon())
    await store.record(instanceRecord({ flagHmac: undefined, message: 'Template is missing.' }), soon())
    expect(await instances()).toMatchObject([{ flag_hmac: 'abc', message: 'Template is missing.' }])
  })

  it('leaves the activity alone, which others write', async () => {
    await store.record(instanceRecord(), soon())
    await database.rows(`UPDATE challenge_operator.instance SET last_active_at = '2026-11-23T11:00:00Z'`)
    await store.record(instanceRecord({ phase: 'Failed' }), soon())
    expect(await instances()).toMatchObject([{ last_active_at: new Date('2026-11-23T11:00:00Z') }])
  })
})

describe('what does odd input do', () => {
  it('takes text that Postgres refuses', async () => {
    const odd = 'a\0b\ud800c'
    const record = instanceRecord({ message: odd, notes: { [odd]: odd } })
    await store.record(record, soon())
    expect(await instances()).toMatchObject([{ message: 'ab\ufffdc', notes: { 'ab\ufffdc': 'ab\ufffdc' } }])
    expect(await store.record(record, soon())).toMatchObject({ changed: false })
  })

  it('is text with quotes and statements only text', async () => {
    const hostile = `'; DROP TABLE challenge_operator.instance; --`
    await store.record(instanceRecord({ uid: hostile, name: hostile, template: hostile }), soon())
    expect(await instances()).toMatchObject([{ uid: hostile, name: hostile }])
  })

  it('takes the largest ids a number holds, and refuses greater ones for good', async () => {
    const largest = Number.MAX_SAFE_INTEGER
    await store.record(instanceRecord({ teamId: largest, eventId: largest }), soon())
    expect((await outbox())[0]?.payload).toMatchObject({ owner: { teamId: largest, eventId: largest } })
    await expect(store.record(instanceRecord({ uid: 'b', teamId: 1e19 }), soon())).rejects.toMatchObject({
      reason: 'Internal',
      fate: 'permanent',
    })
  })

  it('refuses a time that is none, naming it', async () => {
    await expect(store.record(instanceRecord({ createdAt: '' }), soon())).rejects.toMatchObject({
      fate: 'permanent',
      message: expect.stringContaining('createdAt'),
    })
  })
})

describe('what do late and simultaneous records do', () => {
  it('does a late record bring a closed instance back', async () => {
    await store.record(instanceRecord(), soon())
    await store.close('uid-1', 'deleted', soon())
    const before = await versions()
    expect(await store.record(instanceRecord(), soon())).toEqual({
      changed: false,
      problem: undefined,
      events: 0,
    })
    expect(await versions()).toEqual(before)
  })

  it('do twenty first records of one instance make one row and one event', async () => {
    const recorded = await Promise.all(
      Array.from({ length: 20 }, () => store.record(instanceRecord(), soon())),
    )
    expect(recorded.filter(({ changed }) => changed)).toHaveLength(1)
    expect(await types()).toEqual(['instance.ready'])
    expect(await database.platformRows()).toHaveLength(1)
  })

  it('do simultaneous records and closes of one pair leave one right row', async () => {
    const uids = Array.from({ length: 12 }, (_, index) => `uid-${index}`)
    await Promise.all(
      uids.map(async (uid, index) => {
        const createdAt = `2026-11-23T10:00:${String(index).padStart(2, '0')}Z`
        await store.record(instanceRecord({ uid, createdAt, phase: 'Pending' }), soon())
        await store.record(instanceRecord({ uid, createdAt, phase: 'Ready', url: `http://${uid}` }), soon())
        if (index > 4) await store.close(uid, 'deleted', soon())
      }),
    )
    expect(await database.platformRows()).toMatchObject([{ status: 'running', endpoint_url: 'http://uid-4' }])
  })
})
