import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { HostClaim } from '../../../lib/store/host-claims.ts'
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
  await database.rows(
    'TRUNCATE challenge_operator.instance, challenge_operator.outbox, challenge_operator.host_claim',
  )
})

const host = 'web-0123456789abcdef.ctf.example.com'
const cluster = everywhere.cluster as string
const created = { old: '2026-11-29T10:00:00Z', young: '2026-11-29T11:00:00Z' } as const

function claimOf(age: keyof typeof created, changes: Partial<HostClaim> = {}): HostClaim {
  return {
    uid: age,
    namespace: 'default',
    name: `web-${age}`,
    cluster,
    host,
    createdAt: created[age],
    ...changes,
  }
}
const keyOf = (age: keyof typeof created) => ({ uid: age, namespace: 'default', name: `web-${age}` })
const held = { held: true, wakes: [] }

const recordRow = (age: keyof typeof created) =>
  store.record(instanceRecord({ ...keyOf(age), createdAt: created[age] }), soon())
const claims = () =>
  database.rows<{ uid: string; host: string; state: string; version: string }>(
    'SELECT uid, host, state, xmin::text AS version FROM challenge_operator.host_claim ORDER BY uid',
  )
/** Lets every claim be so old that it counts only with an open row. */
const ageClaims = () =>
  database.rows(`UPDATE challenge_operator.host_claim SET claimed_at = now() - interval '11 minutes'`)

describe('Store.claimHost', () => {
  it('gives a host to the first that asks, and writes nothing when it asks again', async () => {
    expect(await store.claimHost(claimOf('young'), soon())).toEqual(held)
    const before = await claims()
    expect(await store.claimHost(claimOf('young'), soon())).toEqual(held)
    expect(await claims()).toEqual(before)
  })

  it('tells the younger instance who holds the host, and gives it over when the row of the older one is closed', async () => {
    await recordRow('old')
    expect(await store.claimHost(claimOf('old'), soon())).toEqual(held)
    const waiting = { held: false, holder: keyOf('old'), wakes: [] }
    expect(await store.claimHost(claimOf('young'), soon())).toEqual(waiting)
    expect(await store.claimHost(claimOf('young'), soon())).toEqual(waiting)
    expect(await store.close('old', { why: 'deleted' }, soon())).toMatchObject({ wakes: [keyOf('young')] })
    expect(await store.claimHost(claimOf('young'), soon())).toEqual(held)
  })

  it('lets the older instance take the host, and wakes the younger one until it knows', async () => {
    await store.claimHost(claimOf('young'), soon())
    const taken = { held: true, wakes: [keyOf('young')] }
    expect(await store.claimHost(claimOf('old'), soon())).toEqual(taken)
    expect(await store.claimHost(claimOf('old'), soon())).toEqual(taken)
    expect(await store.claimHost(claimOf('young'), soon())).toMatchObject({ held: false })
    expect(await store.claimHost(claimOf('old'), soon())).toEqual(held)
  })

  it('leaves one holder when many instances ask at the same time, and it is the oldest', async () => {
    const uids = Array.from({ length: 12 }, (_, index) => `uid-${index + 10}`)
    const asked = uids.map(uid => claimOf('young', { uid }))
    const ask = () => Promise.all(asked.toReversed().map(claim => store.claimHost(claim, soon())))
    await ask()
    expect((await claims()).filter(({ state }) => state === 'held')).toMatchObject([{ uid: 'uid-10' }])
    expect((await ask()).filter(result => result.held)).toHaveLength(1)
  })

  it('frees the host that an instance had before, for the one that waits for it', async () => {
    await store.claimHost(claimOf('old'), soon())
    await store.claimHost(claimOf('young'), soon())
    const moved = claimOf('old', { host: `other-${host}` })
    expect(await store.claimHost(moved, soon())).toEqual({ held: true, wakes: [keyOf('young')] })
    expect(await store.claimHost(claimOf('young'), soon())).toEqual(held)
    expect(await claims()).toMatchObject([
      { uid: 'old', host: moved.host, state: 'held' },
      { uid: 'young', host, state: 'held' },
    ])
  })

  it('gives the same host to one instance in each of two clusters that share the database', async () => {
    const elsewhere = claimOf('young', { cluster: 'cluster-2' })
    expect(await store.claimHost(claimOf('old'), soon())).toEqual(held)
    expect(await store.claimHost(elsewhere, soon())).toEqual(held)
    await store.closeGone({ ...keyOf('young'), cluster }, soon())
    await store.closeGone({ ...keyOf('young'), namespace: 'elsewhere', cluster: 'cluster-2' }, soon())
    expect(await claims()).toHaveLength(2)
    await store.closeGone({ ...keyOf('young'), cluster: 'cluster-2' }, soon())
    expect(await claims()).toMatchObject([{ uid: 'old' }])
  })

  it('fails with DatabaseUnavailable when the signal aborts', async () => {
    await expect(store.claimHost(claimOf('old'), AbortSignal.abort())).rejects.toMatchObject({
      reason: 'DatabaseUnavailable',
    })
  })
})

describe('the end of a claim', () => {
  it('is the close of its row, also of a row that a first pass has not written yet', async () => {
    await store.claimHost(claimOf('old'), soon())
    await store.claimHost(claimOf('young'), soon())
    const gone = { ...keyOf('old'), cluster }
    expect(await store.closeGone(gone, soon())).toMatchObject({ events: 0, wakes: [keyOf('young')] })
    expect(await store.closeGone(gone, soon())).toEqual({ problem: undefined, events: 0, closed: false })
    expect(await claims()).toMatchObject([{ uid: 'young' }])
  })

  it('wakes nobody when a claim ends that waits', async () => {
    await store.claimHost(claimOf('old'), soon())
    await store.claimHost(claimOf('young'), soon())
    expect(await store.close('young', { why: 'deleted' }, soon())).not.toHaveProperty('wakes')
    expect(await store.claimHost(claimOf('old'), soon())).toEqual(held)
  })

  it('is releaseHost for an instance that lives on without a host', async () => {
    await store.claimHost(claimOf('old'), soon())
    await store.claimHost(claimOf('young'), soon())
    expect(await store.releaseHost({ uid: 'old', cluster: 'cluster-2' }, soon())).toEqual({ wakes: [] })
    expect(await store.releaseHost({ uid: 'old', cluster }, soon())).toEqual({ wakes: [keyOf('young')] })
    expect(await store.releaseHost({ uid: 'old', cluster }, soon())).toEqual({ wakes: [] })
  })
})

describe('a claim in a database that was restored', () => {
  it('counts as long as its row is open, and ends with the row of an instance that is gone', async () => {
    await recordRow('old')
    await store.claimHost(claimOf('old'), soon())
    await ageClaims()
    expect(await store.claimHost(claimOf('young'), soon())).toMatchObject({ holder: keyOf('old') })
    await store.closeGone({ ...keyOf('old'), cluster }, soon())
    expect(await store.claimHost(claimOf('young'), soon())).toEqual(held)
  })

  it.each([
    ['whose row is missing', async () => {}],
    [
      'whose row is closed',
      async () => {
        await recordRow('old')
        await database.rows('UPDATE challenge_operator.instance SET deleted_at = now()')
      },
    ],
  ])('counts for ten minutes if it is one %s', async (_, prepare) => {
    await prepare()
    await store.claimHost(claimOf('old'), soon())
    expect(await store.claimHost(claimOf('young'), soon())).toMatchObject({ held: false })
    await ageClaims()
    expect(await store.claimHost(claimOf('young'), soon())).toEqual(held)
    expect(await claims()).toMatchObject([{ uid: 'young' }])
    // The instance lives after all: it is older, so it takes its host back.
    expect(await store.claimHost(claimOf('old'), soon())).toEqual({ held: true, wakes: [keyOf('young')] })
  })

  it('is made again by the instances that run, and the older one holds the host', async () => {
    await recordRow('young')
    await recordRow('old')
    expect(await store.claimHost(claimOf('young'), soon())).toEqual(held)
    expect(await store.claimHost(claimOf('old'), soon())).toMatchObject({ held: true })
    expect((await claims()).map(({ state }) => state)).toEqual(['held', 'displaced'])
  })

  it('is deleted by the reading of the open rows once it does not count any more', async () => {
    await recordRow('old')
    await store.claimHost(claimOf('old'), soon())
    await store.claimHost(claimOf('young'), soon())
    await store.claimHost(claimOf('young', { cluster: 'cluster-2' }), soon())
    const read = () => Array.fromAsync(store.openRows(everywhere, soon()))
    await read()
    expect(await claims()).toHaveLength(3)
    await ageClaims()
    await read()
    expect(
      await database.rows('SELECT uid, cluster FROM challenge_operator.host_claim ORDER BY uid'),
    ).toEqual([
      { uid: 'old', cluster },
      { uid: 'young', cluster: 'cluster-2' },
    ])
  })
})
