import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { Pod, Stored } from '../../../lib/crd/objects.ts'
import { waitUntil } from '../../../local/process/wait.ts'
import { bareEnvironment, runCommand } from '../../support/command.ts'
import {
  eventRowsOf,
  instanceCalled,
  platformRowsOf,
  rowsOf,
  untilConsistent,
} from '../../support/consistency.ts'
import { type DatabaseDisasters, databaseDisasters } from '../../support/database-disasters.ts'
import { edit, remove } from '../../support/edits.ts'
import { type FaultyOperator, startFaultyOperator } from '../../support/faulty-operator.ts'
import { instanceOf, templateOf } from '../../support/objects.ts'
import { phaseOf } from '../../support/operator.ts'
import { migratedDatabase, type TestDatabase } from '../../support/shared-parts.ts'

const platform = { challenges: ['web', 'pwn'], teams: [1, 2, 3, 4, 5, 6, 7, 8, 9] }

/** The instances that may run at once. */
const limit = 4

let database: TestDatabase
let disasters: DatabaseDisasters
let operator: FaultyOperator

beforeAll(async () => {
  database = await migratedDatabase()
  disasters = databaseDisasters(database.url, platform)
  operator = await startFaultyOperator({
    databaseUrl: database.url,
    ...platform,
    env: { OPERATOR_MAX_INSTANCES: String(limit) },
  })
  const { cluster, namespace, signal } = operator
  await cluster.create(
    templateOf(namespace, 'web', { ttlMinutes: 60, flagStrategy: { type: 'hmac-per-instance' } }),
    signal,
  )
})
afterAll(async () => {
  await operator?.stop()
  await disasters?.remove()
  await database?.remove()
})
afterEach(async () => {
  for (const team of platform.teams) await remove(operator, 'ChallengeInstance', `web-${team}`)
  for (const team of platform.teams) await untilConsistent(operator, `web-${team}`, 'gone', 60_000)
})

/** Runs `challenge-operator timeline`. */
function timeline(name: string) {
  const own = { DATABASE_URL: database.url, OPERATOR_NAMESPACE: operator.namespace }
  return runCommand(['timeline', name], { ...bareEnvironment(), ...own })
}

async function createInstance(name: string): Promise<void> {
  const { cluster, namespace, signal } = operator
  await cluster.create(instanceOf(namespace, name, 'web', Number(name.slice(4))), signal)
}

async function startInstances(teams: readonly number[]): Promise<void> {
  await Promise.all(teams.map(team => createInstance(`web-${team}`)))
  for (const team of teams) await untilConsistent(operator, `web-${team}`, 'Ready')
}

/** The uid of each pod, and how often its container was started. */
async function pods(): Promise<string[]> {
  const { cluster, namespace, signal } = operator
  const found: Stored<Pod>[] = []
  for await (const page of cluster.list<Pod>({ apiVersion: 'v1', kind: 'Pod' }, { namespace }, signal))
    found.push(...page)
  return found
    .map(({ metadata, status }) => `${metadata.uid} ${status?.containerStatuses?.[0]?.restartCount ?? 0}`)
    .sort()
}

interface Told {
  type: string
  sequence: number
  rebuilt: boolean
}

/** The events of an instance in the outbox, in their order. */
async function toldOf(uid: string): Promise<Told[]> {
  const events = await eventRowsOf(operator, uid)
  return events.map(({ type, sequence, payload }) => ({ type, sequence, rebuilt: payload.rebuilt }))
}

async function uidOf(name: string): Promise<string> {
  return (await phaseOf(operator, name, 'Ready')).metadata.uid ?? ''
}

/** Sweeps until every instance of these teams and its row agree. */
async function untilWhole(teams: readonly number[]): Promise<void> {
  await operator.sweep({ resync: false }, operator.signal)
  for (const team of teams) await untilConsistent(operator, `web-${team}`, 'Ready')
}

test('a lost database is rebuilt from the cluster, its events say so, and no pod notices', async () => {
  await startInstances([1, 2, 3])
  const uids = await Promise.all([1, 2, 3].map(team => uidOf(`web-${team}`)))
  const [hash] = (await rowsOf(operator, 'web-1')).map(row => row.flag_hmac)
  expect(await toldOf(uids[0] ?? '')).toMatchObject([{ sequence: 1 }, { sequence: 2 }])

  await disasters.lose()
  // Two of them find room, but nobody knows yet who runs.
  const newcomers = ['web-7', 'web-8', 'web-9']
  for (const name of newcomers) await createInstance(name)
  for (const name of newcomers) {
    const { status } = await phaseOf(operator, name, 'Pending', 'Queued')
    expect(status?.message).toContain('does not know all instances that run yet')
  }
  // Its row is not rebuilt when it ends.
  await remove(operator, 'ChallengeInstance', 'web-3')
  await untilConsistent(operator, 'web-3', 'gone')
  expect((await toldOf(uids[2] ?? '')).at(-1)).toEqual({
    type: 'instance.deleted',
    sequence: 3,
    rebuilt: false,
  })

  const before = await pods()
  await untilWhole([1, 2])
  expect(await pods()).toEqual(before)
  for (const uid of uids.slice(0, 2))
    expect(await toldOf(uid)).toEqual([{ type: 'instance.ready', sequence: 3, rebuilt: true }])
  expect(await rowsOf(operator, 'web-1')).toMatchObject([{ flag_hmac: hash, phase: 'Ready' }])
  expect(await platformRowsOf(operator, 1, 'web')).toMatchObject([{ status: 'running' }])

  await operator.sweep({ resync: false }, operator.signal)
  const running = async () => {
    const found = await Promise.all(newcomers.map(name => instanceCalled(operator, name)))
    return found.filter(each => each?.status?.phase === 'Ready').length
  }
  await waitUntil(
    'the newcomers that find room',
    30_000,
    async () => (await running()) === 2,
    operator.signal,
  )
  await operator.sweep({ resync: false }, operator.signal)
  expect(await pods()).toHaveLength(limit)

  const { output } = await timeline('web-1')
  expect(output).toContain('2 events, which the database has lost')
  expect(output).toContain('(rebuilt)')
})

test('a database of an hour ago follows the cluster, and its events are numbered after the lost ones', async () => {
  await startInstances([4, 5, 6])
  const uids = await Promise.all([4, 5].map(team => uidOf(`web-${team}`)))
  await disasters.backUp()
  // The hour that the database forgets.
  await remove(operator, 'ChallengeInstance', 'web-6')
  await untilConsistent(operator, 'web-6', 'gone')
  await startInstances([7])
  const expiresAt = new Date(Date.now() + 45 * 60_000).toISOString()
  await edit(operator, 'ChallengeInstance', 'web-5', { spec: { expiresAt } })
  await edit(operator, 'ChallengeInstance', 'web-5', { spec: { restartedAt: new Date().toISOString() } })
  const renewed = async () => (await toldOf(uids[1] ?? '')).length > 3
  await waitUntil('the events of the restart', 30_000, renewed, operator.signal)
  await untilConsistent(operator, 'web-5', 'Ready')
  const lost = await toldOf(uids[1] ?? '')
  const [ended] = await rowsOf(operator, 'web-6')
  const created = await uidOf('web-7')
  const before = await pods()

  await disasters.restore()
  await untilWhole([4, 5, 7])
  await untilConsistent(operator, 'web-6', 'gone')

  expect(await pods()).toEqual(before)
  expect(await toldOf(uids[0] ?? '')).toHaveLength(2)
  expect((await toldOf(uids[1] ?? '')).slice(2)).toEqual([
    { type: 'instance.ready', sequence: (lost.at(-1)?.sequence ?? 0) + 1, rebuilt: true },
  ])
  expect((await rowsOf(operator, 'web-5'))[0]?.expires_at).toEqual(new Date(expiresAt))
  expect(await toldOf(created)).toEqual([{ type: 'instance.ready', sequence: 3, rebuilt: true }])
  expect((await toldOf(ended?.uid ?? '')).at(-1)).toMatchObject({ type: 'instance.deleted' })
  const platformRows = [4, 5, 6, 7].map(team => platformRowsOf(operator, team, 'web'))
  expect((await Promise.all(platformRows)).map(([row]) => row?.status)).toEqual([
    'running',
    'running',
    'stopped',
    'running',
  ])
})
