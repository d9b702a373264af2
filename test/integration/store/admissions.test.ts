import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Limits } from '../../../lib/config/limits.ts'
import type { AdmissionRequest } from '../../../lib/store/admissions.ts'
import { openStore } from '../../../lib/store/open-store.ts'
import { everywhere, instanceRecord, type StoreDatabase, soon, storeDatabase } from './store-database.ts'

let database: StoreDatabase

beforeAll(async () => {
  database = await storeDatabase({ max: 8 })
})
afterAll(() => database.remove())
beforeEach(async () => {
  await database.rows('TRUNCATE challenge_operator.instance, challenge_operator.outbox')
  await store().markRowsWhole(cluster, soon())
})

const cluster = everywhere.cluster
const store = (limits: Partial<Limits> = {}) =>
  openStore(database.db, {
    limits: { perTeam: undefined, perEvent: undefined, total: undefined, ...limits },
  })

const request = (uid: string, parts: Partial<AdmissionRequest> = {}): AdmissionRequest => ({
  uid,
  namespace: 'default',
  name: uid,
  cluster,
  teamId: 1,
  eventId: 7,
  template: 'web-1',
  createdAt: '2026-11-29T10:00:00Z',
  maxInstances: undefined,
  woken: false,
  ...parts,
})

const recordOf = (uid: string, parts: Parameters<typeof instanceRecord>[0] = {}) =>
  instanceRecord({ uid, name: uid, namespace: 'default', ...parts })

const keyOf = (uid: string) => ({ namespace: 'default', name: uid, uid })

describe('Store.admit while it is not known that the rows are whole', () => {
  it('lets everybody wait, and nobody starts when room is given up, until the rows are whole', async () => {
    const limited = store({ total: 2 })
    await limited.admit(request('held'), soon())
    await limited.record(recordOf('held'), soon())
    await database.rows('DELETE FROM challenge_operator.whole_cluster')
    expect(await limited.rowsWholeSince(cluster, soon())).toBeUndefined()
    for (const uid of ['first', 'second']) {
      const asked = await limited.admit(request(uid), soon())
      expect(asked).toEqual({ admitted: false, full: undefined, incomplete: true, wakes: [] })
    }
    expect(await limited.admit(request('held'), soon())).toMatchObject({ admitted: true })
    expect(await limited.admitWaiting(cluster, soon())).toEqual({ wakes: [] })
    expect((await limited.close('held', { why: 'deleted' }, soon())).wakes).toBeUndefined()

    await limited.markRowsWhole(cluster, soon())
    expect((await limited.admitWaiting(cluster, soon())).wakes).toHaveLength(2)
  })

  it('says for how long rows are known to be missing, from the first time in this database', async () => {
    const own = store()
    await database.rows('DELETE FROM challenge_operator.whole_cluster')
    expect(await own.rowsIncompleteForMs(cluster, soon())).toBe(0)
    const earlier =
      "UPDATE challenge_operator.whole_cluster SET incomplete_since = now() - interval '20 minutes'"
    await database.rows(earlier)
    expect(await own.rowsIncompleteForMs(cluster, soon())).toBeGreaterThanOrEqual(1_200_000)
    expect(await own.rowsWholeSince(cluster, soon())).toBeUndefined()
    await database.rows('TRUNCATE challenge_operator.instance')
    expect(await own.rowsIncompleteForMs(cluster, soon())).toBe(0)
    await own.markRowsWhole(cluster, soon())
    expect(await own.rowsWholeSince(cluster, soon())).toEqual(expect.any(Number))
    expect(await own.rowsIncompleteForMs(cluster, soon())).toBe(0)
    expect(await own.rowsWholeSince(cluster, soon())).toBeUndefined()
    await own.markRowsWhole(cluster, soon())
  })

  it('forgets that the rows were whole when the table has another file, as after a restore', async () => {
    const since = await store().rowsWholeSince(cluster, soon())
    expect(since).toEqual(expect.any(Number))
    expect(await store().rowsWholeSince('cluster-2', soon())).toBeUndefined()
    await database.rows('TRUNCATE challenge_operator.instance')
    expect(await store().rowsWholeSince(cluster, soon())).toBeUndefined()
    await store().markRowsWhole(cluster, soon())
    expect(await store().rowsWholeSince(cluster, soon())).toEqual(expect.any(Number))
  })
})

describe('Store.admit', () => {
  it('admits as many of fifty at the same time as the limit says, and again whoever it admitted', async () => {
    const limited = store({ total: 20 })
    const uids = Array.from({ length: 50 }, (_, index) => `uid-${index}`)
    const answers = await Promise.all(uids.map(uid => limited.admit(request(uid), soon())))
    const admitted = uids.filter((_, index) => answers[index]?.admitted)
    expect(admitted).toHaveLength(20)
    for (const uid of admitted)
      expect(await store({ total: 1 }).admit(request(uid), soon())).toMatchObject({ admitted: true })
  })

  it('counts what runs although it was never admitted, and not what is hibernated or belongs to another cluster', async () => {
    const limited = store({ total: 2 })
    await limited.record(recordOf('running'), soon())
    await limited.record(recordOf('asleep', { phase: 'Idle', reason: 'Idle' }), soon())
    await limited.record(recordOf('elsewhere', { cluster: 'cluster-2' }), soon())
    expect(await limited.admit(request('first'), soon())).toMatchObject({ admitted: true })
    expect(await limited.admit(request('second'), soon())).toMatchObject({
      admitted: false,
      full: { name: 'cluster', limit: 2 },
    })
  })

  it('writes a row that the pass of the instance completes, with its events from the beginning', async () => {
    const limited = store({ total: 1 })
    await limited.admit(request('uid-1'), soon())
    expect(await limited.record(recordOf('uid-1', { phase: 'Provisioning' }), soon())).toMatchObject({
      events: 1,
    })
    const [row] = await database.rows(
      'SELECT phase, admitted_at IS NOT NULL AS admitted FROM challenge_operator.instance',
    )
    expect(row).toEqual({ phase: 'Provisioning', admitted: true })
  })
})

describe('the room of an instance', () => {
  it('goes to the next one when the instance ends, whose own end leaves no gap', async () => {
    const limited = store({ total: 1 })
    await limited.admit(request('first'), soon())
    await limited.record(recordOf('first'), soon())
    for (const uid of ['deleted', 'next']) {
      await limited.admit(request(uid), soon())
      await limited.record(
        recordOf(uid, { phase: 'Pending', reason: 'Queued', workloadNamespace: undefined }),
        soon(),
      )
    }
    expect((await limited.close('deleted', { why: 'deleted' }, soon())).wakes).toBeUndefined()
    expect((await limited.close('first', { why: 'deleted' }, soon())).wakes).toEqual([keyOf('next')])
    expect(await limited.admit(request('next'), soon())).toMatchObject({ admitted: true })
  })

  it('goes to the next one when the instance is hibernated, which waits ahead of others when it wakes', async () => {
    const limited = store({ total: 1 })
    await limited.admit(request('sleeper'), soon())
    await limited.record(recordOf('sleeper'), soon())
    await limited.admit(request('older', { createdAt: '2026-11-29T09:00:00Z' }), soon())
    const slept = await limited.record(recordOf('sleeper', { phase: 'Idle', reason: 'Idle' }), soon())
    expect(slept.wakes).toEqual([keyOf('older')])
    await limited.admit(request('oldest', { createdAt: '2026-11-29T08:00:00Z' }), soon())
    expect(await limited.admit(request('sleeper', { woken: true }), soon())).toMatchObject({
      admitted: false,
    })
    await limited.record(recordOf('sleeper', { phase: 'Idle', reason: 'Queued' }), soon())
    expect((await limited.close('older', { why: 'deleted' }, soon())).wakes).toEqual([keyOf('sleeper')])
  })

  it('goes to the next one when the instance cannot start, which asks again like a new one', async () => {
    const limited = store({ total: 1 })
    await limited.admit(request('doomed'), soon())
    await limited.admit(request('next'), soon())
    const doomed = recordOf('doomed', {
      ...{ phase: 'Pending', reason: 'TemplateMissing', workloadNamespace: undefined },
      needsNoRoom: true,
    })
    expect((await limited.record(doomed, soon())).wakes).toEqual([keyOf('next')])
    expect((await limited.record(doomed, soon())).wakes).toBeUndefined()
    expect(await limited.admit(request('doomed'), soon())).toMatchObject({ admitted: false })
  })

  it('goes to those that wait when a limit was raised', async () => {
    await store({ total: 1 }).admit(request('first'), soon())
    await store({ total: 1 }).admit(request('second'), soon())
    expect(await store({ total: 1 }).admitWaiting(cluster, soon())).toEqual({ wakes: [] })
    expect(await store({ total: 2 }).admitWaiting(cluster, soon())).toEqual({ wakes: [keyOf('second')] })
  })

  it('is told again to those that have not heard of it', async () => {
    const limited = store({ total: 1 })
    await limited.admit(request('first'), soon())
    await limited.admit(request('second'), soon())
    const waits = { phase: 'Pending', reason: 'Queued', workloadNamespace: undefined } as const
    await limited.record(recordOf('second', waits), soon())
    const told = { wakes: [keyOf('second')] }
    expect(await limited.close('first', { why: 'deleted' }, soon())).toMatchObject(told)
    expect(await limited.admitWaiting(cluster, soon())).toEqual(told)
    await limited.record(recordOf('second', { phase: 'Provisioning' }), soon())
    expect(await limited.admitWaiting(cluster, soon())).toEqual({ wakes: [] })
  })

  it('stays with an instance that runs and asks, although it was never admitted', async () => {
    const limited = store({ total: 1 })
    await limited.record(recordOf('running'), soon())
    expect(await limited.admit(request('running'), soon())).toEqual({ admitted: true, wakes: [] })
    await limited.record(recordOf('asleep', { phase: 'Idle', reason: 'Suspended' }), soon())
    expect(await limited.admit(request('asleep', { woken: true }), soon())).toMatchObject({ admitted: false })
  })

  it('is given and taken at the same time without a deadlock, and never twice', async () => {
    const limited = store({ total: 3, perTeam: 2 })
    const uids = Array.from({ length: 30 }, (_, index) => `uid-${index}`)
    const live = async (uid: string, index: number) => {
      const own = request(uid, { teamId: (index % 3) + 1 })
      const { admitted } = await limited.admit(own, soon())
      const waits = { phase: 'Pending', reason: 'Queued', workloadNamespace: undefined } as const
      await limited.record(recordOf(uid, { teamId: own.teamId, ...(admitted ? {} : waits) }), soon())
      const [held] = await database.rows<{ count: string }>(
        'SELECT count(*) FROM challenge_operator.instance WHERE deleted_at IS NULL AND admitted_at IS NOT NULL',
      )
      expect(Number(held?.count)).toBeLessThanOrEqual(3)
      if (index % 4 === 0)
        await limited.record(
          recordOf(uid, { teamId: own.teamId, phase: 'Idle', reason: 'Suspended' }),
          soon(),
        )
      await limited.close(uid, { why: 'deleted' }, soon())
    }
    await Promise.all(uids.map(live))
    expect(await limited.admitWaiting(cluster, soon())).toEqual({ wakes: [] })
  })
})
