import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { defaultDenyName, fieldManager, labels } from '../../lib/crd/group.ts'
import type { KubernetesObject, NetworkPolicy, Secret } from '../../lib/crd/objects.ts'
import { OperatorError } from '../../lib/errors.ts'
import type { Cluster } from '../../lib/kubernetes/cluster.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { instanceCalled, platformRowsOf, rowsOf, untilConsistent } from '../support/consistency.ts'
import { type CountedQueues, startCountedQueues } from '../support/counted-queues.ts'
import { create, edit, remove } from '../support/edits.ts'
import { untilQueuesEmpty } from '../support/idle-queues.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { eventually, referenceTo, startTestOperator, type TestOperator } from '../support/operator.ts'
import { testQueues } from '../support/shared-parts.ts'
import { sweepOnce } from '../support/sweeping.ts'

const instanceTable = 'challenge_operator.instance'
const names = ['kept', 'forgotten', 'wrong', 'platform', 'secret', 'policy']

let operator: TestOperator
let counted: CountedQueues

/** Its own sweeps come once an hour: what is repaired here, the sweeps of the test have found. */
beforeAll(async () => {
  counted = await startCountedQueues(await testQueues())
  const env = { OPERATOR_INTERVAL: '3600', OPERATOR_RESYNC_MINUTES: '1440' }
  const teams = names.map((_, index) => index + 1)
  operator = await startTestOperator({ env, queues: counted.queues, challenges: ['web'], teams })
  await create(
    operator,
    templateOf(operator.namespace, 'web', { flagStrategy: { type: 'hmac-per-instance' } }),
  )
  for (const [index, name] of names.entries())
    await create(operator, instanceOf(operator.namespace, name, 'web', index + 1))
  for (const name of names) await untilConsistent(operator, name, 'Ready')
  // A retry from the beginning, when all came at once, would find what the sweeps of the test are to find.
  await untilQueuesEmpty(counted.queues, operator.signal)
})
afterAll(async () => {
  await operator?.stop()
  await counted?.stop()
})

const sweep = (options: { resync?: boolean; cluster?: Cluster } = {}) =>
  sweepOnce(operator, counted.queues, options)

async function uidOf(name: string): Promise<string> {
  return (await instanceCalled(operator, name))?.metadata.uid ?? ''
}

/** Only this one was found, and it is right again. */
async function repaired(name: string, options: { resync: boolean }): Promise<void> {
  const before = counted.sent.length
  expect(await sweep(options)).toEqual({ examined: names.length, enqueued: 1 })
  const [message] = counted.sent.slice(before)
  expect(JSON.parse(message?.body ?? '')).toMatchObject({ name, cause: 'drift' })
  await untilConsistent(operator, name, 'Ready')
  await nothingFound()
}

async function nothingFound(): Promise<void> {
  const isQuiet = async () => (await sweep()).enqueued === 0
  await waitUntil('a sweep that finds nothing', 20_000, isQuiet, operator.signal)
  await untilQueuesEmpty(counted.queues, operator.signal)
}

test('where all is well, it finds nothing', async () => {
  await nothingFound()
  expect(await sweep({ resync: false })).toEqual({ examined: names.length, enqueued: 0 })
})

describe('what of the database does every sweep find', () => {
  test('a row whose instance is gone: closed, and the platform told', async () => {
    const uid = randomUUID()
    const [row] = await rowsOf(operator, 'kept')
    const lost = {
      ...row,
      uid,
      name: 'lost',
      team_id: 6,
      template: 'web',
      created_at: new Date(),
      notes: '{}',
    }
    await operator.database.insertInto(instanceTable).values(lost).execute()
    expect(await sweep({ resync: false })).toEqual({ examined: names.length, enqueued: 1 })
    const isClosed = async () => (await rowsOf(operator, 'lost'))[0]?.deleted_at != null
    await waitUntil('the row to be closed', 20_000, isClosed, operator.signal)
    await waitUntil(
      'its event',
      10_000,
      async () => operator.events(uid).includes('instance.deleted'),
      operator.signal,
    )
    await nothingFound()
  })

  test('an instance that the database does not know', async () => {
    await operator.database
      .deleteFrom(instanceTable)
      .where('uid', '=', await uidOf('forgotten'))
      .execute()
    await sql`DELETE FROM challenge_operator.outbox WHERE instance_uid = ${await uidOf('forgotten')}`.execute(
      operator.database,
    )
    await repaired('forgotten', { resync: false })
    expect(await rowsOf(operator, 'forgotten')).toMatchObject([{ phase: 'Ready', deleted_at: null }])
  })

  test.each([
    ['phase', { phase: 'Failed' }],
    ['reason', { reason: 'CrashLooping' }],
    ['url', { url: 'http://elsewhere.example.com' }],
  ])('a row with the wrong %s', async (_, wrong) => {
    const [before] = await rowsOf(operator, 'wrong')
    await operator.database.updateTable(instanceTable).set(wrong).where('name', '=', 'wrong').execute()
    await repaired('wrong', { resync: false })
    const { sequence: _sequence, ...after } = (await rowsOf(operator, 'wrong'))[0] ?? {}
    const { sequence: __, ...expected } = before ?? {}
    expect(after).toEqual(expected)
  })

  test.each([
    ['status', { status: 'error' }],
    ['address', { endpoint_url: 'http://elsewhere.example.com' }],
  ])("the platform's row with the wrong %s", async (_, wrong) => {
    const team = names.indexOf('platform') + 1
    const [before] = await platformRowsOf(operator, team, 'web')
    await operator.database
      .updateTable('challenges_teamserviceinstance')
      .set(wrong)
      .where('team_id', '=', team)
      .execute()
    await repaired('platform', { resync: false })
    expect(await platformRowsOf(operator, team, 'web')).toEqual([before])
  })
})

describe('what of the cluster does a resync find', () => {
  const secretOf = () =>
    operator.cluster.get<Secret>(referenceTo(operator, 'Secret', 'secret'), operator.signal)

  test('a Secret that somebody wrote to', async () => {
    const before = await secretOf()
    const [key = ''] = Object.keys(before?.data ?? {})
    await edit(operator, 'Secret', 'secret', { data: { [key]: 'bm90IHRoZSBmbGFn', more: 'YQ==' } })
    expect(await sweep({ resync: false })).toMatchObject({ enqueued: 0 })
    await repaired('secret', { resync: true })
    // A key that is not ours is another manager's to keep; ours is what it was.
    expect((await secretOf())?.data?.[key]).toBe(before?.data?.[key])
  })

  test('a Secret that somebody deleted', async () => {
    const before = await secretOf()
    await remove(operator, 'Secret', 'secret')
    await repaired('secret', { resync: true })
    expect(Object.values((await secretOf())?.data ?? {})[0]).toBe(Object.values(before?.data ?? {})[0])
  })

  test('a policy that nobody owns any more: deleted', async () => {
    const copied = await operator.cluster.get<NetworkPolicy>(
      referenceTo(operator, 'NetworkPolicy', 'policy'),
      operator.signal,
    )
    const own = {
      ...copied?.metadata.labels,
      [labels.instance]: 'orphan',
      [labels.instanceUid]: randomUUID(),
    }
    const metadata = { name: 'orphan', labels: own }
    await create(operator, {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata,
      spec: copied?.spec,
    } as KubernetesObject)
    await sweep()
    await eventually(operator, 'NetworkPolicy', 'orphan', each => each === undefined)
    await nothingFound()
  })

  test('a default-deny that somebody deleted', async () => {
    await remove(operator, 'NetworkPolicy', defaultDenyName)
    expect(await sweep({ resync: false })).toMatchObject({ enqueued: 0 })
    expect(await sweep()).toMatchObject({ enqueued: 1 })
    const policy = await eventually<NetworkPolicy>(
      operator,
      'NetworkPolicy',
      defaultDenyName,
      each => each !== undefined,
    )
    expect(policy?.metadata.labels?.[labels.managedBy]).toBe(fieldManager)
    await nothingFound()
  })
})

describe('what comes of a list that breaks off', () => {
  /** The first page, less its last object, and then an error. */
  const broken = (kind: string): Cluster => ({
    ...operator.cluster,
    async *list(listed, options, signal) {
      for await (const page of operator.cluster.list<never>(listed, options, signal)) {
        if (listed.kind !== kind) yield page
        else yield page.slice(0, 1)
        if (listed.kind === kind)
          throw new OperatorError('ClusterUnavailable', `the list of ${kind} broke off`)
      }
    },
  })

  test.each(['ChallengeInstance', 'Secret', 'NetworkPolicy'])(
    'of %s: nothing is sent, nobody is condemned',
    async kind => {
      const before = counted.sent.length
      await expect(sweep({ cluster: broken(kind) })).rejects.toThrow('broke off')
      expect(counted.sent.slice(before)).toEqual([])
      for (const name of names) await untilConsistent(operator, name, 'Ready')
    },
  )
})

test('is the cluster swept while the database is away', async () => {
  await remove(operator, 'Secret', 'secret')
  const away = { ...operator, databaseUrl: 'postgres://nobody@127.0.0.1:1/none' }
  expect(await sweepOnce(away, counted.queues)).toEqual({ examined: names.length, enqueued: 1 })
  await untilConsistent(operator, 'secret', 'Ready')
})
