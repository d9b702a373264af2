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

const unchanged = { problem: undefined, events: 0, closed: false }
const instances = () => database.rows('SELECT * FROM challenge_operator.instance ORDER BY uid')
const outbox = () => database.rows('SELECT * FROM challenge_operator.outbox ORDER BY id')
const types = async () => (await outbox()).map(row => row.type)

describe('Store.record', () => {
  it('writes every field of the record into the row', async () => {
    const record = instanceRecord({
      reason: 'RolloutWaiting',
      expiresAt: '2026-11-24T10:00:00.123456789Z',
      notes: { 'ctf.example.com/note': 'née 🏁' },
    })
    expect(await store.record(record, soon())).toEqual({ ...unchanged, events: 1, sequence: 1 })
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
        warned_of: null,
        admitted_at: null,
        queued_at: null,
        max_instances: null,
        last_active_at: null,
        deleted_at: null,
        sequence: 1,
        platform_problem: null,
        cluster: 'cluster-1',
        workload_namespace: 'default',
        digest: 'digest-1',
        torn_down: false,
      },
    ])
    const before = await database.rowVersions()
    expect(await store.record(record, soon())).toEqual({ ...unchanged, sequence: 1 })
    expect(await database.rowVersions()).toEqual(before)
  })

  it('writes events with the whole promised payload', async () => {
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
      trace: null,
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
      notesCut: false,
      rebuilt: false,
    })
  })

  it('writes no row when nothing changed', async () => {
    await store.record(instanceRecord(), soon())
    const before = await database.rowVersions()
    expect(await store.record(instanceRecord(), soon())).toMatchObject({ events: 0 })
    expect(await database.rowVersions()).toEqual(before)
  })

  it('numbers the events of an instance without a gap', async () => {
    const life = ['Pending', 'Provisioning', 'Ready', 'Idle', 'Ready', 'Failed', 'Provisioning'] as const
    for (const phase of life) await store.record(instanceRecord({ phase }), soon())
    await store.close('uid-1', { why: 'expired' }, soon())
    expect(await types()).toEqual(
      ['provisioning', 'ready', 'idle', 'woken', 'ready', 'failed', 'provisioning', 'expired', 'deleted'].map(
        type => `instance.${type}`,
      ),
    )
    expect((await outbox()).map(row => row.sequence)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  it('keeps the flag hash when a later record has none', async () => {
    await store.record(instanceRecord(), soon())
    await store.record(instanceRecord({ flagHmac: undefined, message: 'Template is missing.' }), soon())
    expect(await instances()).toMatchObject([{ flag_hmac: 'abc', message: 'Template is missing.' }])
  })

  it('leaves last_active_at as the proxy wrote it', async () => {
    await store.record(instanceRecord(), soon())
    await database.rows(`UPDATE challenge_operator.instance SET last_active_at = '2026-11-23T11:00:00Z'`)
    await store.record(instanceRecord({ phase: 'Failed' }), soon())
    expect(await instances()).toMatchObject([{ last_active_at: new Date('2026-11-23T11:00:00Z') }])
  })
})

describe('Store.record, and the cluster of a row', () => {
  it.each([
    ['without a cluster', undefined],
    ['that names another cluster', 'cluster-0'],
  ])('writes the cluster into a row %s, and no event', async (_, cluster) => {
    await store.record(instanceRecord({ cluster }), soon())
    expect(await store.record(instanceRecord(), soon())).toEqual({ ...unchanged, sequence: 1 })
    expect(await instances()).toMatchObject([{ cluster: 'cluster-1', sequence: 1 }])
  })

  it('keeps the cluster when a later record has none', async () => {
    await store.record(instanceRecord(), soon())
    await store.record(instanceRecord({ cluster: undefined, phase: 'Failed' }), soon())
    expect(await instances()).toMatchObject([{ cluster: 'cluster-1', phase: 'Failed' }])
  })
})

describe('Store.record, and the namespace of a workload', () => {
  it('writes it when it is placed, keeps it when a later record has none, and tells it of a closed row', async () => {
    await store.record(instanceRecord({ workloadNamespace: undefined, phase: 'Pending' }), soon())
    expect(await store.workloadNamespaceOf('uid-1', soon())).toBeUndefined()
    await store.record(instanceRecord({ workloadNamespace: 'ctf-event-7' }), soon())
    await store.record(instanceRecord({ workloadNamespace: undefined, phase: 'Failed' }), soon())
    expect(await instances()).toMatchObject([{ workload_namespace: 'ctf-event-7', phase: 'Failed' }])
    await store.close('uid-1', { why: 'deleted' }, soon())
    expect(await store.workloadNamespaceOf('uid-1', soon())).toBe('ctf-event-7')
    expect(await store.workloadNamespaceOf('uid-2', soon())).toBeUndefined()
  })
})

describe('Store.record of a row that was lost', () => {
  it.each(['Ready', 'Pending'] as const)('numbers the events after those of the outbox (%s)', async phase => {
    for (const each of ['Provisioning', 'Ready', 'Failed'] as const)
      await store.record(instanceRecord({ phase: each }), soon())
    await database.rows('DELETE FROM challenge_operator.instance')
    await store.record(instanceRecord({ phase }), soon())
    await store.close('uid-1', { why: 'expired' }, soon())
    const sequences = (await outbox()).map(row => row.sequence)
    expect(sequences).toEqual(sequences.map((_, index) => index + 1))
    expect((await types()).slice(-2)).toEqual(['instance.expired', 'instance.deleted'])
    expect((await outbox()).at(-1)?.payload).toMatchObject({ sequence: sequences.length })
  })
})

describe('Store.record of an instance that knows more than the database', () => {
  const told = { sequence: 5, phase: 'Ready', expiresAt: undefined, warnedOf: undefined } as const
  const heard = async () =>
    (await outbox()).map(({ type, sequence, payload }) => [
      type,
      sequence,
      (payload as { rebuilt: boolean }).rebuilt,
    ])

  it('tells the phase of a lost row once, as rebuilt, with the next number', async () => {
    expect(await store.record(instanceRecord({ told }), soon())).toMatchObject({ events: 1, sequence: 6 })
    expect(await store.record(instanceRecord({ told }), soon())).toMatchObject({ events: 0, sequence: 6 })
    expect(await heard()).toEqual([['instance.ready', 6, true]])
  })

  it('tells a phase that is new as usual', async () => {
    await store.record(instanceRecord({ phase: 'Failed', told }), soon())
    expect(await heard()).toEqual([['instance.failed', 6, false]])
  })

  it('does not repeat a warning, and tells a new one as usual', async () => {
    const [expiresAt, later] = ['2026-11-24T10:00:00Z', '2026-11-24T12:00:00Z']
    const warned = { ...told, expiresAt, warnedOf: expiresAt }
    await store.record(instanceRecord({ expiresAt, warnedOf: expiresAt, told: warned }), soon())
    expect(await heard()).toEqual([['instance.ready', 6, true]])
    await database.rows('TRUNCATE challenge_operator.instance, challenge_operator.outbox')
    await store.record(instanceRecord({ expiresAt: later, warnedOf: later, told: warned }), soon())
    expect(await heard()).toEqual([
      ['instance.ready', 6, true],
      ['instance.renewed', 7, false],
      ['instance.expiring', 8, false],
    ])
  })

  it('numbers on after the restore of an older row, and tells what it lacks as rebuilt', async () => {
    await store.record(instanceRecord({ phase: 'Provisioning' }), soon())
    await store.record(instanceRecord({ told }), soon())
    expect(await heard()).toEqual([
      ['instance.provisioning', 1, false],
      ['instance.ready', 6, true],
    ])
    await store.record(instanceRecord({ phase: 'Failed', told: { ...told, sequence: 6 } }), soon())
    expect((await heard()).at(-1)).toEqual(['instance.failed', 7, false])
  })

  it('keeps its own number if the status knows fewer, as after a restore of etcd', async () => {
    for (const phase of ['Provisioning', 'Ready', 'Failed'] as const)
      await store.record(instanceRecord({ phase }), soon())
    await store.record(instanceRecord({ told: { ...told, sequence: 2 } }), soon())
    expect((await heard()).at(-1)).toEqual(['instance.ready', 4, false])
  })

  it('tells the end of an instance whose row was lost or is older', async () => {
    const last = instanceRecord({ phase: 'Terminating', told })
    expect(await store.close('uid-1', { why: 'deleted', last }, soon())).toMatchObject({ events: 1 })
    expect(await instances()).toMatchObject([{ phase: 'Terminating', deleted_at: expect.any(Date) }])
    await store.record(instanceRecord({ uid: 'uid-2' }), soon())
    await store.close('uid-2', { why: 'expired', last: { ...last, uid: 'uid-2' } }, soon())
    expect(await heard()).toEqual([
      ['instance.deleted', 6, false],
      ['instance.ready', 1, false],
      ['instance.expired', 6, false],
      ['instance.deleted', 7, false],
    ])
  })

  it('does not invent the end of an instance that had no row', async () => {
    const last = instanceRecord({ phase: 'Terminating' })
    expect(await store.close('uid-1', { why: 'deleted', last }, soon())).toEqual(unchanged)
    expect(await heard()).toEqual([])
  })
})

describe('Store.reopen', () => {
  it('opens a closed row, and tells its state as rebuilt', async () => {
    await store.record(instanceRecord(), soon())
    await store.close('uid-1', { why: 'deleted' }, soon())
    expect(await store.reopen(instanceRecord(), soon())).toEqual({
      ...unchanged,
      events: 1,
      sequence: 3,
    })
    expect(await instances()).toMatchObject([{ phase: 'Ready', deleted_at: null, sequence: 3 }])
    expect((await outbox()).map(({ payload }) => payload)).toMatchObject([
      { rebuilt: false },
      { rebuilt: false },
      { rebuilt: true },
    ])
    expect(await types()).toEqual(['instance.ready', 'instance.deleted', 'instance.ready'])
    expect(await database.platformRows()).toMatchObject([{ status: 'running' }])
  })

  it('opens a closed row whose phase has no event', async () => {
    await store.record(instanceRecord({ phase: 'Pending' }), soon())
    await store.close('uid-1', { why: 'deleted' }, soon())
    await store.reopen(instanceRecord({ phase: 'Pending' }), soon())
    expect(await instances()).toMatchObject([{ phase: 'Pending', deleted_at: null }])
  })

  it('writes an open row as a record does', async () => {
    await store.record(instanceRecord(), soon())
    const before = await database.rowVersions()
    expect(await store.reopen(instanceRecord(), soon())).toEqual({ ...unchanged, sequence: 1 })
    expect(await database.rowVersions()).toEqual(before)
  })
})

describe('Store.record, given odd input', () => {
  it('replaces the characters that Postgres refuses', async () => {
    const odd = 'a\0b\ud800c'
    const record = instanceRecord({ message: odd, notes: { [odd]: odd } })
    await store.record(record, soon())
    expect(await instances()).toMatchObject([{ message: 'ab\ufffdc', notes: { 'ab\ufffdc': 'ab\ufffdc' } }])
    const before = await database.rowVersions()
    await store.record(record, soon())
    expect(await database.rowVersions()).toEqual(before)
  })

  it('stores quotes and SQL statements as text', async () => {
    const hostile = `'; DROP TABLE challenge_operator.instance; --`
    await store.record(instanceRecord({ uid: hostile, name: hostile, template: hostile }), soon())
    expect(await instances()).toMatchObject([{ uid: hostile, name: hostile }])
  })

  it('stores the largest safe ids, and refuses greater ones permanently', async () => {
    const largest = Number.MAX_SAFE_INTEGER
    await store.record(instanceRecord({ teamId: largest, eventId: largest }), soon())
    expect((await outbox())[0]?.payload).toMatchObject({ owner: { teamId: largest, eventId: largest } })
    await expect(store.record(instanceRecord({ uid: 'b', teamId: 1e19 }), soon())).rejects.toMatchObject({
      reason: 'Internal',
      fate: 'permanent',
    })
  })

  it('refuses a time that is no time, and names its field', async () => {
    await expect(store.record(instanceRecord({ createdAt: '' }), soon())).rejects.toMatchObject({
      fate: 'permanent',
      message: expect.stringContaining('createdAt'),
    })
  })
})

describe('Store.record, late or at the same time as others', () => {
  it('leaves a closed row closed', async () => {
    await store.record(instanceRecord(), soon())
    await store.close('uid-1', { why: 'deleted' }, soon())
    const before = await database.rowVersions()
    expect(await store.record(instanceRecord(), soon())).toEqual({
      ...unchanged,
      closed: true,
      tornDown: true,
    })
    expect(await database.rowVersions()).toEqual(before)
  })

  it('makes one row and one event of twenty first records at the same time', async () => {
    const recorded = await Promise.all(
      Array.from({ length: 20 }, () => store.record(instanceRecord(), soon())),
    )
    expect(recorded.filter(({ events }) => events > 0)).toHaveLength(1)
    expect(await types()).toEqual(['instance.ready'])
    expect(await database.platformRows()).toHaveLength(1)
  })

  it('leaves one right platform row after simultaneous records and closes of a pair', async () => {
    const uids = Array.from({ length: 12 }, (_, index) => `uid-${index}`)
    await Promise.all(
      uids.map(async (uid, index) => {
        const createdAt = `2026-11-23T10:00:${String(index).padStart(2, '0')}Z`
        await store.record(instanceRecord({ uid, createdAt, phase: 'Pending' }), soon())
        await store.record(instanceRecord({ uid, createdAt, phase: 'Ready', url: `http://${uid}` }), soon())
        if (index > 4) await store.close(uid, { why: 'deleted' }, soon())
      }),
    )
    expect(await database.platformRows()).toMatchObject([{ status: 'running', endpoint_url: 'http://uid-4' }])
  })
})
