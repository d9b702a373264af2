import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { WatchedNamespaces } from '../../../lib/crd/namespaces.ts'
import { openStore } from '../../../lib/store/open-store.ts'
import type { Store } from '../../../lib/store/store.ts'
import { everywhere, instanceRecord, type StoreDatabase, soon, storeDatabase } from './store-database.ts'

let database: StoreDatabase
let store: Store

beforeAll(async () => {
  database = await storeDatabase()
  store = openStore(database.db)
})
afterAll(() => database.remove())
beforeEach(async () => {
  await database.rows('TRUNCATE challenge_operator.instance, challenge_operator.outbox')
})

const nothing = { problem: undefined, events: 0, closed: false }
const outbox = () =>
  database.rows<{ type: string; payload: Record<string, unknown> }>(
    'SELECT type, payload FROM challenge_operator.outbox ORDER BY id',
  )

describe('Store.close', () => {
  it('closes a row once, with the time and an event', async () => {
    await store.record(instanceRecord({ phase: 'Pending' }), soon())
    expect(await store.close('uid-1', { why: 'deleted' }, soon())).toEqual({ ...nothing, events: 1 })
    const [row] = await database.rows<{ deleted_at: Date }>('SELECT * FROM challenge_operator.instance')
    expect(row).toMatchObject({ phase: 'Terminating', deleted_at: expect.any(Date), flag_hmac: 'abc' })
    const closed = await database.rowVersions()
    expect(await store.close('uid-1', { why: 'deleted' }, soon())).toEqual(nothing)
    expect(await database.rowVersions()).toEqual(closed)
    expect(await outbox()).toMatchObject([
      {
        type: 'instance.deleted',
        payload: { times: { deletedAt: row?.deleted_at?.toISOString() } },
      },
    ])
  })

  it('emits instance.expired and instance.deleted for an expired instance', async () => {
    await store.record(instanceRecord({ phase: 'Pending' }), soon())
    expect(await store.close('uid-1', { why: 'expired' }, soon())).toMatchObject({ events: 2 })
    expect(await outbox()).toMatchObject([
      { type: 'instance.expired', payload: { sequence: 1, reason: 'Expired' } },
      { type: 'instance.deleted', payload: { sequence: 2 } },
    ])
  })

  it('closes a row once when called ten times at the same time', async () => {
    await store.record(instanceRecord({ phase: 'Pending' }), soon())
    const closed = await Promise.all(
      Array.from({ length: 10 }, () => store.close('uid-1', { why: 'deleted' }, soon())),
    )
    expect(closed.filter(({ events }) => events > 0)).toHaveLength(1)
    expect(await outbox()).toHaveLength(1)
  })

  it('writes nothing for an unknown uid', async () => {
    expect(await store.close('never-seen', { why: 'deleted' }, soon())).toEqual(nothing)
  })
})

describe('Store.closeGone', () => {
  const gone = { uid: 'uid-1', namespace: 'default', name: 'web-1-team-1', cluster: 'cluster-1' }

  it('closes a row of the cluster and the namespace', async () => {
    await store.record(instanceRecord({ phase: 'Pending' }), soon())
    expect(await store.closeGone(gone, soon())).toEqual({ ...nothing, events: 1 })
    expect(await outbox()).toMatchObject([{ type: 'instance.deleted' }])
  })

  it.each([
    ['expired if the end in its row has passed', -1_000, ['instance.expired', 'instance.deleted']],
    ['was deleted if that end is ahead', 60_000, ['instance.deleted']],
  ])('says that the instance %s', async (_, aheadMs, types) => {
    const expiresAt = new Date(Date.now() + aheadMs).toISOString()
    await store.record(instanceRecord({ phase: 'Pending', expiresAt }), soon())
    await store.closeGone(gone, soon())
    expect((await outbox()).map(({ type }) => type)).toEqual(types)
  })

  it.each([
    ['of another cluster', { cluster: 'cluster-2' }],
    ['without a cluster', { cluster: undefined }],
    ['of another namespace', { namespace: 'elsewhere' }],
  ])('leaves a row %s open', async (_, changes) => {
    await store.record(instanceRecord({ phase: 'Pending', ...changes }), soon())
    const before = await database.rowVersions()
    expect(await store.closeGone(gone, soon())).toEqual(nothing)
    expect(await database.rowVersions()).toEqual(before)
  })
})

describe('Store.openRows', () => {
  it('leaves out rows of other clusters, rows without a cluster, and namespaces that are not watched', async () => {
    const own = { cluster: 'cluster-1', namespace: 'ctf' }
    await store.record(instanceRecord({ uid: 'own', ...own }), soon())
    await store.record(instanceRecord({ uid: 'elsewhere', ...own, namespace: 'other' }), soon())
    await store.record(instanceRecord({ uid: 'foreign', ...own, cluster: 'cluster-2' }), soon())
    await store.record(instanceRecord({ uid: 'unclaimed', ...own, cluster: undefined }), soon())
    const uidsOf = async (namespaces: WatchedNamespaces) =>
      (await Array.fromAsync(store.openRows({ cluster: 'cluster-1', namespaces }, soon())))
        .flat()
        .map(row => row.uid)
    expect(await uidsOf(['ctf', 'more'])).toEqual(['own'])
    expect(await uidsOf('*')).toEqual(['elsewhere', 'own'])
    expect(await uidsOf(['none'])).toEqual([])
  })

  it('yields every open row once, by uid, in pages of 500, and no closed row', async () => {
    await database.rows(`
      INSERT INTO challenge_operator.instance (uid, namespace, name, team_id, event_id, template, phase, created_at, cluster, deleted_at)
      SELECT to_char(n, 'FM0000'), 'default', 'n' || n, 1, 1, 'none-' || n, 'Ready', now(), 'cluster-1',
        CASE WHEN n % 10 = 0 THEN now() END
      FROM generate_series(1, 1300) n`)
    const pages = await Array.fromAsync(store.openRows(everywhere, soon()))
    expect(pages.map(page => page.length)).toEqual([500, 500, 170])
    const uids = pages.flat().map(row => row.uid)
    expect(uids).toEqual([...uids].sort())
    expect(new Set(uids).size).toBe(1170)
    expect(pages[0]?.[0]).toEqual({
      uid: '0001',
      namespace: 'default',
      name: 'n1',
      phase: 'Ready',
      reason: undefined,
      url: undefined,
      digest: undefined,
      workloadNamespace: undefined,
      sequence: 0,
      platformInStep: false,
    })
  })

  it('yields no page from an empty database', async () => {
    expect(await Array.fromAsync(store.openRows(everywhere, soon()))).toEqual([])
  })

  it('fails with DatabaseUnavailable when its signal aborts between two pages', async () => {
    await database.rows(`
      INSERT INTO challenge_operator.instance (uid, namespace, name, team_id, event_id, template, phase, created_at, cluster)
      SELECT to_char(n, 'FM0000'), 'default', 'n' || n, 1, 1, 'none-' || n, 'Ready', now(), 'cluster-1'
      FROM generate_series(1, 600) n`)
    const stop = new AbortController()
    const reading = async () => {
      for await (const page of store.openRows(everywhere, stop.signal)) if (page.length > 0) stop.abort()
    }
    await expect(reading()).rejects.toMatchObject({ reason: 'DatabaseUnavailable' })
  })
})
