import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { sweepScope } from '../../functions/sweep/trace-sweep.ts'
import { annotations, fieldManager, labels } from '../../lib/crd/group.ts'
import type { KubernetesObject, Secret } from '../../lib/crd/objects.ts'
import { OperatorError } from '../../lib/errors.ts'
import type { Cluster } from '../../lib/kubernetes/cluster.ts'
import { runInScope } from '../../lib/telemetry/scope.ts'
import { traceIdOf } from '../../lib/telemetry/traceparent.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { instanceCalled, outboxOf, platformRowsOf, rowsOf, untilConsistent } from '../support/consistency.ts'
import { type CountedQueues, startCountedQueues } from '../support/counted-queues.ts'
import { create, edit, remove } from '../support/edits.ts'
import { untilQueuesEmpty } from '../support/idle-queues.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { eventually, referenceTo, startTestOperator, type TestOperator } from '../support/operator.ts'
import { policyOf } from '../support/policies.ts'
import { testQueues } from '../support/shared-parts.ts'
import { sweepOnce } from '../support/sweeping.ts'

const instanceTable = 'challenge_operator.instance'
const names = ['kept', 'forgotten', 'wrong', 'platform', 'secret', 'policy']

const olderState = {
  flag_hmac: 'of-another-flag',
  message: 'Of an hour ago.',
  expires_at: '2026-01-01T00:00:00Z',
}

let operator: TestOperator
let counted: CountedQueues

/** The operator's own sweeps come once an hour, so every repair follows from a sweep of the test. */
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
  // A retry that is left over from the start would find the same mismatches as the sweeps of the test.
  await untilQueuesEmpty(counted.queues, operator.signal)
})
afterAll(async () => {
  await operator?.stop()
  await counted?.stop()
})

const sweep = (options: { resync?: boolean; cluster?: Cluster } = {}) =>
  sweepOnce(operator, counted.queues, options)

async function uidOf(name: string): Promise<string | undefined> {
  return (await instanceCalled(operator, name))?.metadata.uid
}

/** Expects that a sweep finds the instance and no other, and that its pass repairs it. */
async function expectRepair(name: string, options: { resync: boolean }): Promise<void> {
  const before = counted.sent.length
  expect(await sweep(options)).toMatchObject({ examined: names.length, enqueued: 1 })
  const [message] = counted.sent.slice(before)
  expect(JSON.parse(message?.body ?? '')).toMatchObject({ name, cause: 'drift' })
  await untilConsistent(operator, name, 'Ready')
  await expectNothingFound()
}

/** Expects that the operator comes to a state in which a resync finds nothing. */
async function expectNothingFound(): Promise<void> {
  const isQuiet = async () => (await sweep()).enqueued === 0
  await waitUntil('a sweep that finds nothing', 20_000, isQuiet, operator.signal)
  await untilQueuesEmpty(counted.queues, operator.signal)
}

test('a sweep finds nothing if every record is right', async () => {
  await expectNothingFound()
  expect(await sweep({ resync: false })).toMatchObject({ examined: names.length, enqueued: 0 })
})

describe('every sweep', () => {
  it('finds a row whose instance is gone, and its pass closes the row and notifies the platform', async () => {
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
      sequence: 0,
    }
    await operator.database.insertInto(instanceTable).values(lost).execute()
    // Two sweeps at the same time may both send a message, and the row is closed once.
    const scope = sweepScope()
    const twice = () => Promise.all([sweep({ resync: false }), sweep({ resync: false })])
    const both = await runInScope(scope, twice)
    expect(both.map(({ enqueued }) => enqueued)).toContain(1)
    const isClosed = async () => (await rowsOf(operator, 'lost'))[0]?.deleted_at != null
    await waitUntil('the row to be closed', 20_000, isClosed, operator.signal)
    // A pass on a busy machine leaves its event to the publish function, which runs once a minute.
    await waitUntil(
      'its event',
      70_000,
      async () => operator.events(uid).includes('instance.deleted'),
      operator.signal,
    )
    await expectNothingFound()
    expect(await outboxOf(operator, uid)).toEqual(['instance.deleted'])
    const event = operator.database.selectFrom('challenge_operator.outbox').select('payload')
    const { payload } = await event.where('instance_uid', '=', uid).executeTakeFirstOrThrow()
    expect(traceIdOf((payload as { trace?: string }).trace)).toBe(scope.span.traceId)
  }, 150_000)

  it('leaves rows of other clusters, rows without a cluster and rows of other namespaces open', async () => {
    const [row] = await rowsOf(operator, 'kept')
    const foreign = [{ cluster: randomUUID() }, { cluster: null }, { namespace: 'not-watched' }].map(
      (differs, index) => ({
        ...row,
        uid: randomUUID(),
        name: `foreign-${index}`,
        team_id: 6,
        notes: '{}',
        ...differs,
      }),
    )
    await operator.database.insertInto(instanceTable).values(foreign).execute()
    await expectNothingFound()
    const rows = operator.database.selectFrom(instanceTable).select('deleted_at')
    const left = await rows.where('name', 'like', 'foreign-%').execute()
    expect(left.map(each => each.deleted_at)).toEqual([null, null, null])
    await operator.database.deleteFrom(instanceTable).where('name', 'like', 'foreign-%').execute()
  })

  it('deletes the row of an instance that has been gone for longer than the history', async () => {
    const [row] = await rowsOf(operator, 'kept')
    const dayMs = 86_400_000
    const closed = [29, 31].map(days => ({
      ...row,
      uid: randomUUID(),
      name: `gone-for-${days}-days`,
      team_id: 6,
      notes: '{}',
      deleted_at: new Date(Date.now() - days * dayMs),
    }))
    await operator.database.insertInto(instanceTable).values(closed).execute()
    expect(await sweep({ resync: false })).toMatchObject({ enqueued: 0 })
    const rows = operator.database.selectFrom(instanceTable).select('name')
    const left = await rows.where('name', 'like', 'gone-for-%').execute()
    expect(left).toEqual([{ name: 'gone-for-29-days' }])
  })

  it('finds a living instance whose row has no cluster, and its pass writes the cluster', async () => {
    const [before] = await rowsOf(operator, 'kept')
    await operator.database
      .updateTable(instanceTable)
      .set({ cluster: null })
      .where('name', '=', 'kept')
      .execute()
    await expectRepair('kept', { resync: false })
    expect(await rowsOf(operator, 'kept')).toEqual([before])
  })

  it('finds a living instance whose row is closed, and its pass opens the row', async () => {
    const [before] = await rowsOf(operator, 'kept')
    await operator.database
      .updateTable(instanceTable)
      .set({ deleted_at: new Date(), phase: 'Terminating' })
      .where('name', '=', 'kept')
      .execute()
    await expectRepair('kept', { resync: false })
    expect(await rowsOf(operator, 'kept')).toEqual([{ ...before, sequence: before?.sequence + 1 }])
  })

  it('finds an instance without a row', async () => {
    await operator.database
      .deleteFrom(instanceTable)
      .where('uid', '=', await uidOf('forgotten'))
      .execute()
    await sql`DELETE FROM challenge_operator.outbox WHERE instance_uid = ${await uidOf('forgotten')}`.execute(
      operator.database,
    )
    await expectRepair('forgotten', { resync: false })
    expect(await rowsOf(operator, 'forgotten')).toMatchObject([{ phase: 'Ready', deleted_at: null }])
  })

  it.each([
    ['phase', { phase: 'Failed' }],
    ['reason', { reason: 'CrashLooping' }],
    ['url', { url: 'http://elsewhere.example.com' }],
    ['flag hash, message and end of an older state', { ...olderState, digest: 'of-an-older-state' }],
  ])('finds a row with a wrong %s', async (_, wrong) => {
    const [before] = await rowsOf(operator, 'wrong')
    await operator.database.updateTable(instanceTable).set(wrong).where('name', '=', 'wrong').execute()
    await expectRepair('wrong', { resync: false })
    const { sequence: _sequence, ...after } = (await rowsOf(operator, 'wrong'))[0] ?? {}
    const { sequence: __, ...expected } = before ?? {}
    expect(after).toEqual(expected)
  })

  it.each([
    ['status', { status: 'error' }],
    ['address', { endpoint_url: 'http://elsewhere.example.com' }],
  ])('finds a row of the platform with a wrong %s', async (_, wrong) => {
    const team = names.indexOf('platform') + 1
    const [before] = await platformRowsOf(operator, team, 'web')
    await operator.database
      .updateTable('challenges_teamserviceinstance')
      .set(wrong)
      .where('team_id', '=', team)
      .execute()
    await expectRepair('platform', { resync: false })
    expect(await platformRowsOf(operator, team, 'web')).toEqual([before])
  })
})

describe('a resync', () => {
  const secretOf = () =>
    operator.cluster.get<Secret>(referenceTo(operator, 'Secret', 'secret'), operator.signal)

  it('finds a Secret that another client wrote to', async () => {
    const before = await secretOf()
    const [key = ''] = Object.keys(before?.data ?? {})
    await edit(operator, 'Secret', 'secret', { data: { [key]: 'bm90IHRoZSBmbGFn', more: 'YQ==' } })
    expect(await sweep({ resync: false })).toMatchObject({ enqueued: 0 })
    await expectRepair('secret', { resync: true })
    expect((await secretOf())?.data).toEqual(before?.data)
  })

  it('finds a Secret that another client deleted', async () => {
    const before = await secretOf()
    await remove(operator, 'Secret', 'secret')
    await expectRepair('secret', { resync: true })
    expect(Object.values((await secretOf())?.data ?? {})[0]).toBe(Object.values(before?.data ?? {})[0])
  })

  it('finds a Secret during the pause between two repairs, and its pass comes back at the end of the pause', async () => {
    const before = await secretOf()
    const repairsOf = async () =>
      (await instanceCalled(operator, 'secret'))?.status?.children?.find(({ kind }) => kind === 'Secret')
        ?.repairs?.count ?? 0
    const count = await repairsOf()
    await edit(operator, 'Secret', 'secret', { data: { more: 'YQ==' } })
    expect(await sweep()).toMatchObject({ enqueued: 1 })
    const isRepaired = async () => (await repairsOf()) > count
    await waitUntil('the repair at the end of the pause', 30_000, isRepaired, operator.signal)
    expect((await secretOf())?.data).toEqual(before?.data)
    await expectNothingFound()
  })

  it('finds a policy whose instance is gone, and its pass deletes the policy', async () => {
    const copied = await policyOf(operator, 'policy')
    const own = {
      [labels.managedBy]: fieldManager,
      [labels.instanceNamespace]: operator.namespace,
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
    await expectNothingFound()
  })

  it('leaves a Service and a ReplicaSet that name an instance in a namespace that is not watched', async () => {
    const own = {
      app: 'elsewhere',
      [labels.managedBy]: fieldManager,
      [labels.instance]: 'elsewhere',
      [labels.instanceNamespace]: 'not-watched',
      [labels.instanceUid]: randomUUID(),
    }
    const metadata = { name: 'elsewhere', labels: own }
    const container = { name: 'c', image: 'registry.example.com/none' }
    const replicaSet = {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata,
      spec: {
        replicas: 0,
        selector: { matchLabels: { app: 'elsewhere' } },
        template: { metadata: { labels: own }, spec: { containers: [container] } },
      },
    }
    const service = { apiVersion: 'v1', kind: 'Service', metadata, spec: { ports: [{ port: 80 }] } }
    for (const object of [service, replicaSet]) await create(operator, object as KubernetesObject)
    await expectNothingFound()
    for (const { apiVersion, kind } of [service, replicaSet]) {
      const reference = { apiVersion, kind, namespace: operator.namespace, name: 'elsewhere' }
      expect(await operator.cluster.get(reference, operator.signal)).toBeDefined()
      await operator.cluster.delete(reference, { propagation: 'Background' }, operator.signal)
    }
  })
})

describe('a resync over the revisions of templates', () => {
  const revisionOf = async (name: string) =>
    (await instanceCalled(operator, name))?.status?.template?.revision ?? ''

  it('has a revision written again that another client deleted', async () => {
    const revision = await revisionOf('kept')
    await remove(operator, 'Secret', revision)
    expect(await sweep()).toMatchObject({ enqueued: 1 })
    const secret = await eventually<Secret>(operator, 'Secret', revision, each => each !== undefined)
    expect(secret).toMatchObject({ type: 'infra.ctf.example.com/template-revision', immutable: true })
    await expectNothingFound()
  })

  it('marks a revision that nobody uses, and deletes it when it has been unused for long enough', async () => {
    const before = await revisionOf('kept')
    const ttl = { spec: { ttlMinutes: 1_000 } }
    await edit(operator, 'ChallengeTemplate', 'web', ttl)
    const rolled = async () => (await Promise.all(names.map(revisionOf))).every(each => each !== before)
    await waitUntil('the instances to take the change up', 20_000, rolled, operator.signal)
    for (const name of names) await untilConsistent(operator, name, 'Ready')
    await sweep()
    const marked = await eventually<Secret>(
      operator,
      'Secret',
      before,
      each => each?.metadata.annotations?.[annotations.unusedSince] !== undefined,
    )
    expect(marked?.metadata.deletionTimestamp).toBeUndefined()
    await expectNothingFound()
    const longAgo = { metadata: { annotations: { [annotations.unusedSince]: '2026-01-01T00:00:00Z' } } }
    await edit(operator, 'Secret', before, longAgo)
    await sweep()
    await eventually(operator, 'Secret', before, each => each === undefined)
    const used = await operator.cluster.get(
      referenceTo(operator, 'Secret', await revisionOf('kept')),
      operator.signal,
    )
    expect(used).toBeDefined()
    await expectNothingFound()
  })
})

describe('a sweep whose list breaks off', () => {
  /** Yields the first object of a list and then throws. */
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

  it.each(['ChallengeInstance', 'Secret', 'NetworkPolicy'])(
    'sends nothing and leaves every instance as it is (%s)',
    async kind => {
      const before = counted.sent.length
      await expect(sweep({ cluster: broken(kind) })).rejects.toThrow('broke off')
      expect(counted.sent.slice(before)).toEqual([])
      for (const name of names) await untilConsistent(operator, name, 'Ready')
    },
  )
})

test('a sweep compares the objects of the cluster while the database is away', async () => {
  await remove(operator, 'Secret', 'secret')
  const away = { ...operator, databaseUrl: 'postgres://nobody@127.0.0.1:1/none' }
  expect(await sweepOnce(away, counted.queues)).toMatchObject({ examined: names.length, enqueued: 1 })
  await untilConsistent(operator, 'secret', 'Ready')
})
