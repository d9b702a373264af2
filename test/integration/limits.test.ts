import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import { annotations, apiVersion } from '../../lib/crd/group.ts'
import type { Deployment } from '../../lib/crd/objects.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { rowsOf } from '../support/consistency.ts'
import { edit, remove } from '../support/edits.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { eventually, phaseOf, startTestOperator, type TestOperator } from '../support/operator.ts'

let operator: TestOperator

/** What the watch of this test saw: the most Deployments with a pod at once, by team and altogether. */
const most = { team: 0, all: 0 }
const [perTeam, total] = [2, 4]

beforeAll(async () => {
  const env = { OPERATOR_MAX_PER_TEAM: String(perTeam), OPERATOR_MAX_INSTANCES: String(total) }
  operator = await startTestOperator({ env })
  const { cluster, namespace, signal } = operator
  await cluster.create(templateOf(namespace, 'web'), signal)
  await cluster.create(templateOf(namespace, 'single', { maxInstances: 1 }), signal)
})
afterAll(() => operator?.stop())

async function create(name: string, team: number, template = 'web'): Promise<void> {
  const { cluster, namespace, signal } = operator
  await cluster.create(instanceOf(namespace, name, template, team), signal)
}

async function instances(): Promise<ChallengeInstance[]> {
  const { cluster, namespace, signal } = operator
  const found: ChallengeInstance[] = []
  for await (const page of cluster.list<ChallengeInstance>(
    { apiVersion, kind: 'ChallengeInstance' },
    { namespace },
    signal,
  ))
    found.push(...page)
  return found
}

/** Counts the Deployments that have a pod, of all teams and of the team with most. */
async function count(): Promise<void> {
  const { cluster, namespace, signal } = operator
  const deployments: Deployment[] = []
  for await (const page of cluster.list<Deployment>(
    { apiVersion: 'apps/v1', kind: 'Deployment' },
    { namespace },
    signal,
  ))
    deployments.push(...page.filter(({ spec }) => spec?.replicas === 1))
  const teams = Map.groupBy(deployments, ({ metadata }) => metadata?.labels?.['infra.ctf.example.com/team'])
  most.all = Math.max(most.all, deployments.length)
  most.team = Math.max(most.team, ...teams.values().map(each => each.length))
}

const namesIn = (all: ChallengeInstance[], phase: string, reason?: string) =>
  all
    .filter(({ status }) => status?.phase === phase && status.reason === reason)
    .map(({ metadata }) => metadata.name ?? '')

async function until(ready: number, queued: number): Promise<ChallengeInstance[]> {
  for (;;) {
    await count()
    const all = await instances()
    if (namesIn(all, 'Ready').length === ready && namesIn(all, 'Pending', 'Queued').length === queued)
      return all
    await new Promise(resolve => setTimeout(resolve, 50))
    operator.signal.throwIfAborted()
  }
}

test('a burst never exceeds a limit, and who waits says which limit leaves no room', async () => {
  await Promise.all([1, 1, 1, 2, 2, 2, 3, 3, 3].map((team, index) => create(`burst-${index}-${team}`, team)))
  const all = await until(total, 5)
  expect(most).toEqual({ team: perTeam, all: total })
  const waiting = all.filter(({ status }) => status?.reason === 'Queued')
  expect(waiting.every(({ status }) => status?.children?.length === 0)).toBe(true)
  expect(waiting[0]?.status?.message).toMatch(
    /^(This team has 2 instances|The cluster has 4 instances), as many as are allowed\. This one starts by itself/,
  )
})

test('the next one starts by itself when an instance ends, and a waiting one that is deleted leaves no gap', async () => {
  const before = await instances()
  const [waiting = ''] = namesIn(before, 'Pending', 'Queued')
  await remove(operator, 'ChallengeInstance', waiting)
  const [running = ''] = namesIn(before, 'Ready')
  await remove(operator, 'ChallengeInstance', running)
  await until(total, 3)
  expect(most.all).toBe(total)
})

test('a hibernated instance frees its room, and is first when it wakes', async () => {
  const [sleeper = ''] = namesIn(await instances(), 'Ready')
  await edit(operator, 'ChallengeInstance', sleeper, { spec: { suspend: true } })
  await phaseOf(operator, sleeper, 'Idle', 'Suspended')
  await until(total, 2)
  await edit(operator, 'ChallengeInstance', sleeper, { spec: { suspend: null } })
  const queued = await phaseOf(operator, sleeper, 'Idle', 'Queued')
  expect(queued.status?.children?.length).toBeGreaterThan(0)
  const deployment = await eventually<Deployment>(operator, 'Deployment', sleeper, each => each !== undefined)
  expect(deployment?.spec?.replicas).toBe(0)
  const team = queued.spec.owner.teamId
  const others = (await instances()).filter(({ status }) => status?.phase === 'Ready')
  // Its own team may be full, so the room comes from that team if it can.
  const leaves = others.find(({ spec }) => spec.owner.teamId === team) ?? others[0]
  await remove(operator, 'ChallengeInstance', leaves?.metadata.name ?? '')
  await phaseOf(operator, sleeper, 'Ready')
  expect(most.all).toBe(total)
})

test('the limit of a template holds beside the others', async () => {
  for (const each of await instances()) await remove(operator, 'ChallengeInstance', each.metadata.name ?? '')
  await waitUntil(
    'the end of all instances',
    30_000,
    async () => (await instances()).length === 0,
    operator.signal,
  )
  await Promise.all([1, 2, 3].map(team => create(`single-${team}`, team, 'single')))
  const all = await until(1, 2)
  const waiting = all.find(({ status }) => status?.reason === 'Queued')
  expect(waiting?.status?.message).toMatch(/^This challenge has one instance, as many as are allowed\./)
})

test('an admitted instance that cannot start gives its room to the next one, and asks again when it can', async () => {
  const { cluster, namespace, signal } = operator
  const running = namesIn(await instances(), 'Ready')[0] ?? ''
  await create('doomed', 1, 'absent')
  await phaseOf(operator, 'doomed', 'Pending', 'TemplateMissing')
  // A function has admitted it and was killed before it could make anything.
  const rows = operator.database.updateTable('challenge_operator.instance')
  await rows.set({ admitted_at: new Date().toISOString() }).where('name', '=', 'doomed').execute()
  await edit(operator, 'ChallengeInstance', 'doomed', {
    metadata: { annotations: { [annotations.forceSync]: 'now' } },
  })
  await waitUntil(
    'its room to be free',
    20_000,
    async () => (await rowsOf(operator, 'doomed'))[0]?.admitted_at === null,
    signal,
  )
  await cluster.create(templateOf(namespace, 'absent'), signal)
  await phaseOf(operator, 'doomed', 'Ready')
  await phaseOf(operator, running, 'Ready')
})
