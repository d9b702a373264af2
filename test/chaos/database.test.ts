import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import { annotations } from '../../lib/crd/group.ts'
import { waitUntil } from '../../local/process/wait.ts'
import {
  childrenOf,
  instanceCalled,
  outboxOf,
  platformRowsOf,
  rowsOf,
  untilConsistent,
} from '../support/consistency.ts'
import { edit } from '../support/edits.ts'
import { type FaultyOperator, startFaultyOperator } from '../support/faulty-operator.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { eventually, referenceTo } from '../support/operator.ts'
import { startTestPostgres } from '../support/postgres.ts'

let postgres: Awaited<ReturnType<typeof startTestPostgres>>
let operator: FaultyOperator
beforeAll(async () => {
  postgres = await startTestPostgres()
  const teams = Array.from({ length: 20 }, (_, index) => index + 1)
  operator = await startFaultyOperator({
    databaseUrl: postgres.url,
    teams,
    challenges: ['web', 'exposed', 'single'],
    env: { OPERATOR_DOMAIN: 'play.example.com', OPERATOR_INGRESS_CLASS: className },
  })
  await operator.cluster.create(templateOf(operator.namespace, 'web'), operator.signal)
  await operator.cluster.create(
    templateOf(operator.namespace, 'exposed', { exposure: { type: 'Ingress' } }),
    operator.signal,
  )
  await operator.cluster.create(
    templateOf(operator.namespace, 'single', { maxInstances: 1 }),
    operator.signal,
  )
  await operator.cluster.create(ingressClass, operator.signal)
})
afterAll(async () => {
  await operator?.cluster.delete({ ...ingressClass, name: className }, {}, operator.signal)
  await operator?.stop()
  await postgres?.stop()
})

/** The cluster is shared by the files of a run. */
const className = `outage-${process.pid}`
const ingressClass = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'IngressClass',
  metadata: { name: className },
  spec: { controller: 'example.com/controller' },
}

/** The claims of hosts, as `state` by uid. */
async function claimsOf(uids: readonly string[]): Promise<Record<string, string>> {
  const rows = await operator.database
    .selectFrom('challenge_operator.host_claim')
    .select(['uid', 'state', 'host'])
    .where('uid', 'in', [...uids])
    .execute()
  return Object.fromEntries(rows.map(({ uid, state }) => [uid, state]))
}

/** Time for instances to come and go meanwhile, and for waits to grow. */
const downMs = 14_000

const create = (name: string, team: number, template = 'web') =>
  operator.cluster.create(instanceOf(operator.namespace, name, template, team), operator.signal)
const remove = (name: string) =>
  operator.cluster.delete(referenceTo(operator, 'ChallengeInstance', name), {}, operator.signal)
const isSynced = (instance: ChallengeInstance | undefined) =>
  instance?.status?.conditions?.find(each => each.type === 'Synced')
const uidOf = async (created: Promise<ChallengeInstance | 'exists'>) => {
  const object = await created
  return object === 'exists' ? '' : (object.metadata.uid ?? '')
}

/** Instances of a template that allows one. */
const limited = ['limited-1', 'limited-2', 'limited-3']

async function expectNotAdmitted(name: string): Promise<void> {
  const instance = await eventually<ChallengeInstance>(
    operator,
    'ChallengeInstance',
    name,
    each => each?.status?.reason === 'DatabaseUnavailable',
    downMs,
  )
  expect(instance?.status).toMatchObject({ phase: 'Pending', children: [] })
  expect(instance?.status?.message).toMatch(/^It is not known whether there is room: /)
}

/**
 * Limits admit nobody before a sweep has found the rows of all that run in the database that is back. Each of them has asked
 * again by then.
 */
async function untilOneIsAdmitted(): Promise<void> {
  const reasons = async () => {
    const found = await Promise.all(limited.map(name => instanceCalled(operator, name)))
    return found.map(each => each?.status?.reason ?? each?.status?.phase)
  }
  const isSo = async () => {
    await operator.sweep({ resync: false }, operator.signal)
    await setTimeout(2_000)
    return (await reasons()).toSorted().join() === 'Queued,Queued,Ready'
  }
  await waitUntil('one instance with room', 60_000, isSo, operator.signal)
  for (const name of limited) {
    const { status } = (await instanceCalled(operator, name)) ?? {}
    await untilConsistent(operator, name, status?.phase ?? 'Pending')
    expect((await childrenOf(operator, name)).length > 0, name).toBe(status?.phase === 'Ready')
  }
}

test('instances come and go during an outage of the database, and their rows are correct afterwards', async () => {
  const before = await Promise.all([1, 2, 3, 4].map(team => uidOf(create(`before-${team}`, team))))
  await Promise.all([1, 2, 3, 4].map(team => untilConsistent(operator, `before-${team}`, 'Ready')))

  // Its end is held back by its pause, and comes during the outage.
  const ending = await uidOf(create('ending', 5))
  await untilConsistent(operator, 'ending', 'Ready')
  const pause = (paused: 'true' | null) =>
    edit(operator, 'ChallengeInstance', 'ending', {
      metadata: { annotations: { [annotations.paused]: paused } },
    })
  await pause('true')
  const expiresAt = new Date(Date.now() - 1_000).toISOString()
  await edit(operator, 'ChallengeInstance', 'ending', { spec: { expiresAt } })
  const hasEnd = async () => (await rowsOf(operator, 'ending'))[0]?.expires_at != null
  await waitUntil('the end in the row', 20_000, hasEnd, operator.signal)

  const outage = postgres.restart({ how: 'stop', downMs }, operator.signal)
  const isDown = async () => {
    const answer = operator.database.selectFrom('core_team').select('id').execute()
    return answer.then(
      () => false,
      () => true,
    )
  }
  await waitUntil('the outage', 5_000, isDown, operator.signal)
  await pause(null)
  const during = await Promise.all([11, 12, 13].map(team => uidOf(create(`during-${team}`, team))))
  await Promise.all([remove('before-1'), remove('before-2')])
  // Each host has a hash of its own, so nobody else can ask for it.
  const exposed = await Promise.all([15, 16].map(team => uidOf(create(`exposed-${team}`, team, 'exposed'))))
  await Promise.all(limited.map((name, index) => create(name, 18 + index, 'single')))
  await Promise.all(limited.map(expectNotAdmitted))
  // This instance comes and goes without a row.
  const brief = await uidOf(create('brief', 14))

  for (const team of [11, 12, 13]) {
    const instance = await eventually<ChallengeInstance>(
      operator,
      'ChallengeInstance',
      `during-${team}`,
      each => each?.status?.phase === 'Ready',
      downMs,
    )
    expect(isSynced(instance)).toMatchObject({ status: 'False', reason: 'DatabaseUnavailable' })
  }
  for (const team of [15, 16]) {
    const instance = await eventually<ChallengeInstance>(
      operator,
      'ChallengeInstance',
      `exposed-${team}`,
      each => each?.status?.phase === 'Ready',
      downMs,
    )
    expect(instance?.status?.url).toMatch(/^https:\/\/exposed-\d+-[0-9a-f]{16}\.play\.example\.com$/)
  }
  await eventually(operator, 'Deployment', 'brief', each => each !== undefined, downMs)
  await remove('brief')
  for (const name of ['before-1', 'before-2', 'brief', 'ending']) {
    await eventually(operator, 'ChallengeInstance', name, each => each === undefined, downMs)
    expect(await childrenOf(operator, name)).toEqual([])
  }
  expect(await isDown(), 'all of it came about while the database was away').toBe(true)
  await outage

  await Promise.all([
    ...[11, 12, 13].map(team => untilConsistent(operator, `during-${team}`, 'Ready', 60_000)),
    ...[15, 16].map(team => untilConsistent(operator, `exposed-${team}`, 'Ready', 60_000)),
    ...[3, 4].map(team => untilConsistent(operator, `before-${team}`, 'Ready', 60_000)),
    ...['before-1', 'before-2', 'brief', 'ending'].map(name =>
      untilConsistent(operator, name, 'gone', 60_000),
    ),
  ])
  await untilOneIsAdmitted()
  for (const team of [11, 12, 13])
    expect(await platformRowsOf(operator, team, 'web')).toMatchObject([{ status: 'running' }])
  for (const team of [1, 2]) {
    expect(await platformRowsOf(operator, team, 'web')).toMatchObject([{ status: 'stopped' }])
    expect((await outboxOf(operator, before[team - 1] ?? '')).at(-1)).toBe('instance.deleted')
  }
  expect((await outboxOf(operator, ending)).slice(-2)).toEqual(['instance.expired', 'instance.deleted'])
  for (const uid of during) {
    const events = await outboxOf(operator, uid)
    expect(events.at(-1)).toBe('instance.ready')
    expect(new Set(events).size).toBe(events.length)
  }
  const claimed = async () => {
    const claims = await claimsOf(exposed)
    return exposed.every(uid => claims[uid] === 'held')
  }
  await waitUntil('the claims of the hosts', 60_000, claimed, operator.signal)
  await remove('exposed-15')
  const released = async () => Object.keys(await claimsOf(exposed)).join() === exposed[1]
  await waitUntil('the release of the host', 60_000, released, operator.signal)
  expect(await rowsOf(operator, 'brief')).toEqual([])
  expect(await outboxOf(operator, brief)).toEqual([])
}, 120_000)
