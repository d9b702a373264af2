import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Phase } from '../../../lib/crd/challenge-instance.ts'
import { openDatabase } from '../../../lib/store/database.ts'
import { openStore } from '../../../lib/store/open-store.ts'
import type { OpenRow, Store } from '../../../lib/store/store.ts'
import {
  everywhere,
  instanceRecord,
  listener,
  type StoreDatabase,
  soon,
  storeDatabase,
} from './store-database.ts'

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

const older = instanceRecord({ uid: 'old', createdAt: '2026-11-23T09:00:00Z', url: 'http://old' })
const newer = instanceRecord({ uid: 'new', createdAt: '2026-11-23T10:00:00Z', url: 'http://new' })

async function inStep(): Promise<Record<string, boolean>> {
  const rows: OpenRow[] = []
  for await (const page of store.openRows(everywhere, soon())) rows.push(...page)
  return Object.fromEntries(rows.map(row => [row.uid, row.platformInStep]))
}

describe('without a platform', () => {
  const ours = () => openStore(database.db, { platform: 'none' })

  it('writes our row alone, and finds it in step', async () => {
    store = ours()
    try {
      expect(await store.record(newer, soon())).toMatchObject({ problem: undefined })
      expect(await database.platformRows()).toEqual([])
      expect(await inStep()).toEqual({ new: true })
      expect(await store.close('new', { why: 'deleted' }, soon())).toMatchObject({ problem: undefined })
      expect(await database.platformRows()).toEqual([])
    } finally {
      store = openStore(database.db)
    }
  })

  it('forgets a problem of the platform that was left, and a platform that comes later gets the rows', async () => {
    const unknown = { ...newer, template: 'unknown' }
    expect(await store.record(unknown, soon())).toMatchObject({ problem: 'ChallengeUnknown' })
    expect(await ours().record(unknown, soon())).toMatchObject({ problem: undefined })
    await ours().record(older, soon())
    expect(await inStep()).toEqual({ new: false, old: false })
    await store.record(older, soon())
    expect(await database.platformRows()).toMatchObject([{ status: 'running', endpoint_url: 'http://old' }])
  })
})

describe('the platform row', () => {
  it.each<[Phase, string]>([
    ['Pending', 'pending'],
    ['Provisioning', 'pending'],
    ['Ready', 'running'],
    ['Failed', 'error'],
    ['Idle', 'stopped'],
    ['Terminating', 'stopped'],
  ])('shows the phase %s as %s', async (phase, status) => {
    await store.record(instanceRecord({ phase }), soon())
    expect(await database.platformRows()).toEqual([
      {
        id: expect.any(String),
        team_id: '1',
        challenge_id: expect.any(String),
        status,
        endpoint_url: instanceRecord().url,
        created_at: expect.any(Date),
        last_check_at: null,
      },
    ])
  })

  it('follows the newest instance of all clusters, and the other one when that is closed', async () => {
    await store.record({ ...older, cluster: 'cluster-1' }, soon())
    await store.record({ ...newer, cluster: 'cluster-2' }, soon())
    await store.record({ ...older, cluster: 'cluster-1', message: 'Serves on.' }, soon())
    expect(await database.platformRows()).toMatchObject([{ status: 'running', endpoint_url: 'http://new' }])
    expect(await inStep()).toEqual({ old: true })
    await store.close('new', { why: 'deleted' }, soon())
    expect(await database.platformRows()).toMatchObject([{ status: 'running', endpoint_url: 'http://old' }])
  })

  it('has an empty address when the instance has none', async () => {
    await store.record(instanceRecord({ phase: 'Pending', url: undefined }), soon())
    expect(await database.platformRows()).toMatchObject([{ endpoint_url: '' }])
  })

  it('is stopped when the instance is closed, and reused by the next instance', async () => {
    await store.record(instanceRecord(), soon())
    const [before] = await database.platformRows()
    await store.close('uid-1', { why: 'deleted' }, soon())
    expect(await database.platformRows()).toEqual([{ ...before, status: 'stopped', endpoint_url: '' }])
    await store.record(instanceRecord({ uid: 'uid-2' }), soon())
    expect(await database.platformRows()).toEqual([before])
  })

  it('shows the newest of two instances, whichever was recorded last', async () => {
    await store.record(newer, soon())
    await store.record(older, soon())
    expect(await database.platformRows()).toMatchObject([{ status: 'running', endpoint_url: 'http://new' }])
    expect(await store.record({ ...older, phase: 'Failed' }, soon())).toMatchObject({ events: 1 })
    expect(await database.platformRows()).toMatchObject([{ status: 'running', endpoint_url: 'http://new' }])
  })

  it('shows the older instance again while the newest is torn down', async () => {
    await store.record(older, soon())
    await store.record(newer, soon())
    await store.record({ ...newer, phase: 'Terminating' }, soon())
    expect(await database.platformRows()).toMatchObject([{ status: 'running', endpoint_url: 'http://old' }])
    await store.close('new', { why: 'deleted' }, soon())
    expect(await database.platformRows()).toMatchObject([{ status: 'running', endpoint_url: 'http://old' }])
    await store.close('old', { why: 'deleted' }, soon())
    expect(await database.platformRows()).toMatchObject([{ status: 'stopped', endpoint_url: '' }])
  })

  it('belongs to one team and one challenge', async () => {
    await store.record(instanceRecord(), soon())
    await store.record(instanceRecord({ uid: 'b', teamId: 2 }), soon())
    await store.record(instanceRecord({ uid: 'c', template: 'pwn-1' }), soon())
    expect(await database.platformRows()).toHaveLength(3)
  })
})

describe('an instance of team 0, which all teams share', () => {
  const shared = instanceRecord({ teamId: 0 })

  it('has our row and its events, and no row on the platform', async () => {
    expect(await store.record(shared, soon())).toMatchObject({ problem: undefined, events: 1, closed: false })
    const failed = { ...shared, phase: 'Failed' } as const
    expect(await store.record(failed, soon())).toMatchObject({ problem: undefined, events: 1 })
    expect(await inStep()).toEqual({ 'uid-1': true })
    expect(await store.close('uid-1', { why: 'deleted' }, soon())).toMatchObject({
      problem: undefined,
      events: 1,
    })
    expect(await database.platformRows()).toEqual([])
  })

  it('is in step with a platform without its tables', async () => {
    const bare = await storeDatabase({ platform: false })
    const alone = openStore(bare.db)
    expect(await alone.record(shared, soon())).toMatchObject({ problem: undefined })
    const rows = (await Array.fromAsync(alone.openRows(everywhere, soon()))).flat()
    expect(rows).toMatchObject([{ uid: 'uid-1', platformInStep: true }])
    await bare.remove()
  })
})

describe('the part of the platform row that the platform owns', () => {
  it('keeps last_check_at across transitions', async () => {
    await store.record(instanceRecord(), soon())
    await database.rows(`UPDATE challenges_teamserviceinstance SET last_check_at = '2026-11-23T12:00:00Z'`)
    await store.record(instanceRecord({ phase: 'Failed' }), soon())
    expect(await database.platformRows()).toMatchObject([
      { status: 'error', last_check_at: new Date('2026-11-23T12:00:00Z') },
    ])
  })

  it('keeps duplicates, except for the one with the lowest id', async () => {
    await database.rows(`
      INSERT INTO challenges_teamserviceinstance (team_id, challenge_id, status, endpoint_url, created_at)
      SELECT 1, id, 'stopped', 'theirs', now() FROM challenges_challenge, generate_series(1, 2) WHERE slug = 'web-1'`)
    await store.record(instanceRecord(), soon())
    expect((await database.platformRows()).map(row => row.status)).toEqual(['running', 'stopped'])
    await store.close('uid-1', { why: 'deleted' }, soon())
    expect(await database.platformRows()).toMatchObject([
      { status: 'stopped', endpoint_url: '' },
      { status: 'stopped', endpoint_url: 'theirs' },
    ])
  })
})

describe('team_service_instance', () => {
  it('is notified once for each write of a platform row', async () => {
    const ears = await listener(database.directUrl, 'team_service_instance')
    await store.record(instanceRecord(), soon())
    await store.record(instanceRecord(), soon())
    await store.record(instanceRecord({ message: 'Only ours.' }), soon())
    await store.close('uid-1', { why: 'deleted' }, soon())
    const [row] = await database.platformRows()
    const common = { id: Number(row?.id), team_id: 1, challenge_id: Number(row?.challenge_id) }
    expect(await ears.heard()).toEqual([
      { ...common, status: 'running', endpoint_url: instanceRecord().url },
      { ...common, status: 'stopped', endpoint_url: '' },
    ])
    await ears.end()
  })
})

describe('a problem of the platform', () => {
  it('ChallengeUnknown: our rows are written, and the platform row once the challenge exists', async () => {
    const record = instanceRecord({ template: 'brand-new' })
    expect(await store.record(record, soon())).toMatchObject({
      problem: 'ChallengeUnknown',
      events: 1,
      closed: false,
    })
    const before = await database.rowVersions()
    expect(await store.record(record, soon())).toMatchObject({
      problem: 'ChallengeUnknown',
      events: 0,
      closed: false,
    })
    expect(await database.rowVersions()).toEqual(before)
    expect(await inStep()).toEqual({ 'uid-1': true })
    await database.rows(`INSERT INTO challenges_challenge (slug) VALUES ('brand-new')`)
    expect(await store.record(record, soon())).toMatchObject({ problem: undefined, events: 0, closed: false })
    expect(await database.platformRows()).toMatchObject([{ status: 'running' }])
    expect(await inStep()).toEqual({ 'uid-1': true })
  })

  it('TeamUnknown: found at commit, and our row and event are written', async () => {
    const record = instanceRecord({ teamId: 99 })
    expect(await store.record(record, soon())).toMatchObject({
      problem: 'TeamUnknown',
      events: 1,
      closed: false,
    })
    const before = await database.rowVersions()
    expect(await store.record(record, soon())).toMatchObject({
      problem: 'TeamUnknown',
      events: 0,
      closed: false,
    })
    expect(await database.rowVersions()).toEqual(before)
    expect(await database.platformRows()).toEqual([])
    const written = await database.rows('SELECT sequence FROM challenge_operator.outbox')
    expect(written).toEqual([{ sequence: 1 }])
    expect(await inStep()).toEqual({ 'uid-1': true })
  })

  it('UrlTooLong: the platform row has no address, and the limit counts characters', async () => {
    const fits = `http://${'🏁'.repeat(193)}`
    expect(await store.record(instanceRecord({ url: fits }), soon())).toMatchObject({ problem: undefined })
    expect(await store.record(instanceRecord({ url: `${fits}x` }), soon())).toMatchObject({
      problem: 'UrlTooLong',
    })
    expect(await database.platformRows()).toMatchObject([{ status: 'running', endpoint_url: '' }])
    expect(await inStep()).toEqual({ 'uid-1': true })
  })

  it('PlatformTablesMissing: our own tables are written and read all the same', async () => {
    const bare = await storeDatabase({ platform: false })
    const own = openStore(bare.db)
    expect(await own.record(instanceRecord(), soon())).toMatchObject({
      problem: 'PlatformTablesMissing',
      events: 1,
      closed: false,
    })
    const pages = await Array.fromAsync(own.openRows(everywhere, soon()))
    expect(pages).toMatchObject([[{ uid: 'uid-1', platformInStep: true }]])
    expect(await own.close('uid-1', { why: 'deleted' }, soon())).toMatchObject({ events: 1 })
    await bare.remove()
  })

  it('PlatformTablesMissing: a trigger of the platform that raises an error keeps no row open', async () => {
    await database.rows(`
      CREATE FUNCTION objecting() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
      CREATE TRIGGER objecting BEFORE INSERT OR UPDATE ON challenges_teamserviceinstance
        FOR EACH ROW EXECUTE FUNCTION objecting()`)
    try {
      const problem = 'PlatformTablesMissing'
      expect(await store.record(instanceRecord(), soon())).toMatchObject({ events: 1, problem })
      expect(await store.close('uid-1', { why: 'deleted' }, soon())).toMatchObject({ events: 1 })
    } finally {
      await database.rows('DROP FUNCTION objecting CASCADE')
    }
  })

  it('PlatformTablesMissing: the platform row of a closed instance follows when the tables take it', async () => {
    await store.record(instanceRecord(), soon())
    await database.rows(`
      CREATE FUNCTION objecting() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
      CREATE TRIGGER objecting BEFORE INSERT OR UPDATE ON challenges_teamserviceinstance
        FOR EACH ROW EXECUTE FUNCTION objecting()`)
    try {
      await store.close('uid-1', { why: 'deleted' }, soon())
      expect(await inStep()).toEqual({ 'uid-1': false })
    } finally {
      await database.rows('DROP FUNCTION objecting CASCADE')
    }
    expect(await database.platformRows()).toMatchObject([{ status: 'running' }])
    const gone = { uid: 'uid-1', namespace: 'default', name: 'web-1-team-1', cluster: 'cluster-1' }
    expect(await store.closeGone(gone, soon())).toMatchObject({
      problem: undefined,
      events: 0,
      closed: false,
    })
    expect(await database.platformRows()).toMatchObject([{ status: 'stopped' }])
    expect(await inStep()).toEqual({})
    const settled = await database.rowVersions()
    await store.closeGone(gone, soon())
    expect(await database.rowVersions()).toEqual(settled)
  })

  it('PlatformTablesMissing: a role without rights on the platform’s tables writes our own', async () => {
    const role = `reader_${Math.random().toString(36).slice(2)}`
    await database.rows(`
      CREATE ROLE ${role} LOGIN PASSWORD 'reader'; GRANT USAGE ON SCHEMA challenge_operator TO ${role};
      GRANT ALL ON ALL TABLES IN SCHEMA challenge_operator TO ${role}`)
    const url = new URL(database.url)
    url.username = role
    url.password = 'reader'
    const limited = openDatabase({ url: url.href })
    const recorded = await openStore(limited).record(instanceRecord(), soon())
    expect(recorded).toMatchObject({ problem: 'PlatformTablesMissing', events: 1, closed: false })
    await limited.destroy()
    await database.rows(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
  })
})

describe('platformInStep', () => {
  it('is false for a changed and a missing platform row, until a record writes it again', async () => {
    await store.record(older, soon())
    await store.record(newer, soon())
    await store.record(instanceRecord({ uid: 'other', teamId: 2 }), soon())
    expect(await inStep()).toEqual({ new: true, old: true, other: true })
    await database.rows(`UPDATE challenges_teamserviceinstance SET status = 'stopped' WHERE team_id = 1`)
    await database.rows(`DELETE FROM challenges_teamserviceinstance WHERE team_id = 2`)
    expect(await inStep()).toEqual({ new: false, old: true, other: false })
    expect(await store.record(newer, soon())).toMatchObject({ problem: undefined, events: 0, closed: false })
    await store.record(instanceRecord({ uid: 'other', teamId: 2 }), soon())
    expect(await inStep()).toEqual({ new: true, old: true, other: true })
  })
})
