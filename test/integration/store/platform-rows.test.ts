import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Phase } from '../../../lib/crd/challenge-instance.ts'
import { openDatabase } from '../../../lib/store/database.ts'
import { openStore } from '../../../lib/store/open-store.ts'
import type { LiveRow, Store } from '../../../lib/store/store.ts'
import { instanceRecord, listener, type StoreDatabase, soon, storeDatabase } from './store-database.ts'

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
  const rows: LiveRow[] = []
  for await (const page of store.live(soon())) rows.push(...page)
  return Object.fromEntries(rows.map(row => [row.uid, row.platformInStep]))
}

describe('what does the platform see', () => {
  it.each<[Phase, string]>([
    ['Pending', 'pending'],
    ['Provisioning', 'pending'],
    ['Ready', 'running'],
    ['Failed', 'error'],
    ['Idle', 'stopped'],
    ['Terminating', 'stopped'],
  ])('%s as %s', async (phase, status) => {
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

  it('an empty address where there is none', async () => {
    await store.record(instanceRecord({ phase: 'Pending', url: undefined }), soon())
    expect(await database.platformRows()).toMatchObject([{ endpoint_url: '' }])
  })

  it('stopped, in the same row, when the instance is gone', async () => {
    await store.record(instanceRecord(), soon())
    const [before] = await database.platformRows()
    await store.close('uid-1', 'deleted', soon())
    expect(await database.platformRows()).toEqual([{ ...before, status: 'stopped', endpoint_url: '' }])
    await store.record(instanceRecord({ uid: 'uid-2' }), soon())
    expect(await database.platformRows()).toEqual([before])
  })

  it('the newest of two instances, whichever was recorded last', async () => {
    await store.record(newer, soon())
    await store.record(older, soon())
    expect(await database.platformRows()).toMatchObject([{ status: 'running', endpoint_url: 'http://new' }])
    expect(await store.record({ ...older, phase: 'Failed' }, soon())).toMatchObject({ changed: true })
    expect(await database.platformRows()).toMatchObject([{ status: 'running', endpoint_url: 'http://new' }])
  })

  it('the older one again when the newest goes, already while it is torn down', async () => {
    await store.record(older, soon())
    await store.record(newer, soon())
    await store.record({ ...newer, phase: 'Terminating' }, soon())
    expect(await database.platformRows()).toMatchObject([{ status: 'running', endpoint_url: 'http://old' }])
    await store.close('new', 'deleted', soon())
    expect(await database.platformRows()).toMatchObject([{ status: 'running', endpoint_url: 'http://old' }])
    await store.close('old', 'deleted', soon())
    expect(await database.platformRows()).toMatchObject([{ status: 'stopped', endpoint_url: '' }])
  })

  it('separate rows for other teams and challenges', async () => {
    await store.record(instanceRecord(), soon())
    await store.record(instanceRecord({ uid: 'b', teamId: 2 }), soon())
    await store.record(instanceRecord({ uid: 'c', template: 'pwn-1' }), soon())
    expect(await database.platformRows()).toHaveLength(3)
  })
})

describe('what stays the platform’s own', () => {
  it('last_check_at, in between and at transitions', async () => {
    await store.record(instanceRecord(), soon())
    await database.rows(`UPDATE challenges_teamserviceinstance SET last_check_at = '2026-11-23T12:00:00Z'`)
    await store.record(instanceRecord({ phase: 'Failed' }), soon())
    expect(await database.platformRows()).toMatchObject([
      { status: 'error', last_check_at: new Date('2026-11-23T12:00:00Z') },
    ])
  })

  it('duplicates that Django made, but for the first', async () => {
    await database.rows(`
      INSERT INTO challenges_teamserviceinstance (team_id, challenge_id, status, endpoint_url, created_at)
      SELECT 1, id, 'stopped', 'theirs', now() FROM challenges_challenge, generate_series(1, 2) WHERE slug = 'web-1'`)
    await store.record(instanceRecord(), soon())
    expect((await database.platformRows()).map(row => row.status)).toEqual(['running', 'stopped'])
    await store.close('uid-1', 'deleted', soon())
    expect(await database.platformRows()).toMatchObject([
      { status: 'stopped', endpoint_url: '' },
      { status: 'stopped', endpoint_url: 'theirs' },
    ])
  })
})

describe('who is told', () => {
  it('listeners of team_service_instance, once for each write', async () => {
    const ears = await listener(database.url, 'team_service_instance')
    await store.record(instanceRecord(), soon())
    await store.record(instanceRecord(), soon())
    await store.record(instanceRecord({ message: 'Only ours.' }), soon())
    await store.close('uid-1', 'deleted', soon())
    const [row] = await database.platformRows()
    const common = { id: Number(row?.id), team_id: 1, challenge_id: Number(row?.challenge_id) }
    expect(await ears.heard()).toEqual([
      { ...common, status: 'running', endpoint_url: instanceRecord().url },
      { ...common, status: 'stopped', endpoint_url: '' },
    ])
    await ears.end()
  })
})

describe('what is wrong on the platform’s side', () => {
  it('ChallengeUnknown: our rows are written, and theirs as soon as the challenge is there', async () => {
    const record = instanceRecord({ template: 'brand-new' })
    expect(await store.record(record, soon())).toEqual({
      changed: true,
      problem: 'ChallengeUnknown',
      events: 1,
    })
    expect(await store.record(record, soon())).toEqual({
      changed: false,
      problem: 'ChallengeUnknown',
      events: 0,
    })
    expect(await inStep()).toEqual({ 'uid-1': true })
    await database.rows(`INSERT INTO challenges_challenge (slug) VALUES ('brand-new')`)
    expect(await store.record(record, soon())).toEqual({ changed: true, problem: undefined, events: 0 })
    expect(await database.platformRows()).toMatchObject([{ status: 'running' }])
    expect(await inStep()).toEqual({ 'uid-1': true })
  })

  it('TeamUnknown: found at commit, our rows and event survive', async () => {
    const record = instanceRecord({ teamId: 99 })
    expect(await store.record(record, soon())).toEqual({ changed: true, problem: 'TeamUnknown', events: 1 })
    expect(await store.record(record, soon())).toEqual({ changed: false, problem: 'TeamUnknown', events: 0 })
    expect(await database.platformRows()).toEqual([])
    const written = await database.rows('SELECT sequence FROM challenge_operator.outbox')
    expect(written).toEqual([{ sequence: 1 }])
    expect(await inStep()).toEqual({ 'uid-1': true })
  })

  it('UrlTooLong: the row is there without it, and counts characters', async () => {
    const fits = `http://${'🏁'.repeat(193)}`
    expect(await store.record(instanceRecord({ url: fits }), soon())).toMatchObject({ problem: undefined })
    expect(await store.record(instanceRecord({ url: `${fits}x` }), soon())).toMatchObject({
      problem: 'UrlTooLong',
    })
    expect(await database.platformRows()).toMatchObject([{ status: 'running', endpoint_url: '' }])
    expect(await inStep()).toEqual({ 'uid-1': true })
  })

  it('PlatformTablesMissing: everything of ours works all the same', async () => {
    const bare = await storeDatabase({ platform: false })
    const own = openStore(bare.db)
    expect(await own.record(instanceRecord(), soon())).toEqual({
      changed: true,
      problem: 'PlatformTablesMissing',
      events: 1,
    })
    const pages = await Array.fromAsync(own.live(soon()))
    expect(pages).toMatchObject([[{ uid: 'uid-1', platformInStep: true }]])
    expect(await own.close('uid-1', 'deleted', soon())).toMatchObject({ changed: true, events: 1 })
    await bare.remove()
  })

  it('PlatformTablesMissing: also where a trigger of the platform objects, and the row is closed all the same', async () => {
    await database.rows(`
      CREATE FUNCTION objecting() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
      CREATE TRIGGER objecting BEFORE INSERT OR UPDATE ON challenges_teamserviceinstance
        FOR EACH ROW EXECUTE FUNCTION objecting()`)
    try {
      const problem = 'PlatformTablesMissing'
      expect(await store.record(instanceRecord(), soon())).toMatchObject({ changed: true, problem })
      expect(await store.close(instanceRecord().uid, 'deleted', soon())).toMatchObject({ changed: true })
    } finally {
      await database.rows('DROP FUNCTION objecting CASCADE')
    }
  })

  it('PlatformTablesMissing: also for a role that may not touch them', async () => {
    const role = `reader_${Math.random().toString(36).slice(2)}`
    await database.rows(`
      CREATE ROLE ${role} LOGIN PASSWORD 'reader'; GRANT USAGE ON SCHEMA challenge_operator TO ${role};
      GRANT ALL ON ALL TABLES IN SCHEMA challenge_operator TO ${role}`)
    const url = new URL(database.url)
    url.username = role
    url.password = 'reader'
    const limited = openDatabase({ url: url.href })
    const recorded = await openStore(limited).record(instanceRecord(), soon())
    expect(recorded).toEqual({ changed: true, problem: 'PlatformTablesMissing', events: 1 })
    await limited.destroy()
    await database.rows(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
  })
})

describe('does the sweep see a row that lies', () => {
  it('finds a changed, a missing and a vanished one, and a record mends them', async () => {
    await store.record(older, soon())
    await store.record(newer, soon())
    await store.record(instanceRecord({ uid: 'other', teamId: 2 }), soon())
    expect(await inStep()).toEqual({ new: true, old: true, other: true })
    await database.rows(`UPDATE challenges_teamserviceinstance SET status = 'stopped' WHERE team_id = 1`)
    await database.rows(`DELETE FROM challenges_teamserviceinstance WHERE team_id = 2`)
    expect(await inStep()).toEqual({ new: false, old: true, other: false })
    expect(await store.record(newer, soon())).toEqual({ changed: true, problem: undefined, events: 0 })
    await store.record(instanceRecord({ uid: 'other', teamId: 2 }), soon())
    expect(await inStep()).toEqual({ new: true, old: true, other: true })
  })
})
