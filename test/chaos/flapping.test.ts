import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import type { Pod, Stored } from '../../lib/crd/objects.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { instanceCalled, outboxOf, untilConsistent } from '../support/consistency.ts'
import { type FaultyOperator, startFaultyOperator } from '../support/faulty-operator.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { eventually } from '../support/operator.ts'

let operator: FaultyOperator

beforeAll(async () => {
  operator = await startFaultyOperator()
  const { cluster, namespace, signal } = operator
  // A pod that is ready at once may take the place of another one without a change that anybody sees.
  await cluster.create(templateOf(namespace, 'web', { image: 'trouble.example/slow-start:1' }), signal)
  await cluster.create(instanceOf(namespace, 'flaps', 'web', 1), signal)
  await untilConsistent(operator, 'flaps', 'Ready')
})
afterAll(() => operator?.stop())

const instance = async () => (await instanceCalled(operator, 'flaps')) as Stored<ChallengeInstance>

/** Deletes the pods of the instance that are there, and waits until the Deployment has another one that is ready. */
async function replacePod(): Promise<void> {
  const { cluster, namespace, signal } = operator
  const pods = async () => {
    const all: Pod[] = []
    const kind = { apiVersion: 'v1', kind: 'Pod' }
    for await (const page of cluster.list<Pod>(kind, { namespace, labelSelector: 'app=flaps' }, signal))
      all.push(...page)
    return all
  }
  const old = await pods()
  for (const { metadata } of old)
    await cluster.delete({ apiVersion: 'v1', kind: 'Pod', namespace, name: metadata.name ?? '' }, {}, signal)
  const isReplaced = async () =>
    (await pods()).some(
      ({ metadata, status }) =>
        !old.some(each => each.metadata.uid === metadata.uid) &&
        status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True'),
    )
  await waitUntil('another pod', 20_000, isReplaced, signal)
}

/** Has the burst of changes begun earlier, so that its minute is over sooner. */
async function backdate(milliseconds: number): Promise<void> {
  const isWritten = async () => {
    const found = await instance()
    const { count = 0, since = '' } = found.status?.phaseChanges ?? {}
    const earlier = new Date(Date.parse(since) - milliseconds).toISOString()
    const status = { ...found.status, phaseChanges: { count, since: earlier } }
    return typeof (await operator.cluster.putStatus({ ...found, status }, operator.signal)) === 'object'
  }
  await waitUntil('the earlier date', 10_000, isWritten, operator.signal)
}

test('an instance whose pod is deleted again and again says so, and its phase is told at growing distances', async () => {
  const before = (await outboxOf(operator, (await instance()).metadata.uid ?? '')).length
  let replaced = 0
  const flaps = async () => {
    await replacePod()
    replaced += 1
    return (await instance()).status?.reason === 'Flapping'
  }
  await waitUntil('the reason Flapping', 50_000, flaps, operator.signal).catch(async thrown => {
    const { status } = await instance()
    throw new Error(JSON.stringify({ replaced, status, passes: operator.passes.slice(-20) }), {
      cause: thrown,
    })
  })
  const { status, metadata } = await instance()
  expect(status?.phaseChanges?.count).toBe(7)
  const version = metadata.resourceVersion
  const passes = operator.passes.length
  for (let round = 0; round < 3; round++) await replacePod()
  const heldUntil = Date.parse(status?.phaseChanges?.since ?? '') + 60_000
  // A slow machine may need the rest of the minute for three pods.
  if (Date.now() < heldUntil - 1_000) {
    expect((await instance()).metadata.resourceVersion).toBe(version)
    expect(operator.passes.length).toBe(passes)
  }
  // Longer than any distance that a slow machine has come to meanwhile.
  await backdate(400_000)
  await eventually<ChallengeInstance>(
    operator,
    'ChallengeInstance',
    'flaps',
    each => each?.status?.phase === 'Ready' && each.status.reason !== 'Flapping',
    30_000,
  )
  const events = await outboxOf(operator, metadata.uid ?? '')
  expect(events.length - before).toBeLessThanOrEqual(8)
  expect(replaced).toBeGreaterThanOrEqual(3)
}, 180_000)
