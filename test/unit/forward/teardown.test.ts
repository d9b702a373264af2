import { expect, test } from 'vitest'
import type { Deployment, Stored } from '../../../lib/crd/objects.ts'
import { simulatedForwarder } from './simulated-forwarder.ts'
import { start } from './virtual-time.ts'
import { instance, nextVersion, settled, template, withStatus } from './watched-objects.ts'

test('a deletion is sent when it is marked and when the workload is gone, and not after the finalizer is removed', async () => {
  const world = simulatedForwarder()
  const { instance: whole, children, all, pod: running } = settled()
  await world.begin(template(), ...all)
  const marked = withStatus(whole, whole.status ?? {})
  marked.metadata = { ...marked.metadata, generation: 2, deletionTimestamp: new Date(start).toISOString() }
  world.see(marked)
  await world.advance(100)
  expect(world.takeSent()).toEqual(['deleted team-1'])
  const [policy, service, workload] = children as [Stored<Deployment>, Stored<Deployment>, Stored<Deployment>]
  world.see({
    ...workload,
    metadata: { ...workload.metadata, deletionTimestamp: 'now', generation: 2 },
  } as never)
  const terminating = withStatus(marked, { ...marked.status, phase: 'Terminating', observedGeneration: 2 })
  world.see(terminating)
  await world.advance(5_000)
  expect(world.takeSent()).toEqual([])
  world.gone(running, workload)
  await world.advance(100)
  expect(world.takeSent()).toEqual(['deleted team-1'])
  // The DELETED event of the instance comes before that of its last child, which another watch reports.
  world.gone(service, terminating, policy)
  await world.advance(60_000)
  expect(world.takeSent()).toEqual([])
  await world.end()
})

test('an instance whose teardown waited for its own namespace is not sent when it is gone: a timer brings its last pass', async () => {
  const world = simulatedForwarder()
  const { instance: whole } = settled()
  await world.begin(template())
  const metadata = { ...whole.metadata, generation: 2, deletionTimestamp: new Date(start).toISOString() }
  const status = {
    ...whole.status,
    phase: 'Terminating',
    observedGeneration: 2,
    namespace: 'ctf-team-1-01234567',
    children: [],
  } as const
  const waiting = { ...whole, metadata, status: { ...status, children: [] } }
  world.see(waiting)
  await world.advance(100)
  world.takeSent()
  world.gone(waiting)
  await world.advance(60_000)
  expect(world.takeSent()).toEqual([])
  await world.end()
})

test('an instance that is gone without a teardown is sent as deleted, then its children as orphans', async () => {
  const world = simulatedForwarder()
  const { instance: whole, all } = settled()
  await world.begin(template(), ...all)
  world.gone(whole)
  await world.advance(100)
  expect(world.takeSent()).toEqual(['deleted team-1'])
  await world.advance(2_000)
  expect(world.sent[0]?.change.uid).toBe('uid-team-1')
  expect(world.takeSent()).toEqual(['orphan team-1'])
  await world.end()
})

test('an instance that is created again under its name is sent as deleted with the old uid, then as changed with the new one', async () => {
  const world = simulatedForwarder()
  await world.begin(template(), ...settled().all)
  world.see(instance('team-1', { uid: 'uid-2' }))
  await world.advance(100)
  expect(world.sent.map(({ change }) => `${change.cause} ${change.uid}`)).toEqual([
    'deleted uid-team-1',
    'changed uid-2',
  ])
  await world.end()
})

test('two removals of the finalizer within five minutes are two changes with different deduplication ids', async () => {
  const world = simulatedForwarder()
  const { instance: whole, all } = settled()
  await world.begin(template(), ...all)
  const ids: (string | undefined)[] = []
  for (let round = 0; round < 2; round++) {
    const stripped = {
      ...whole,
      metadata: { ...whole.metadata, finalizers: [], resourceVersion: nextVersion() },
    }
    world.see(stripped)
    await world.advance(10)
    ids.push(world.sent[0]?.deduplicationId)
    expect(world.takeSent()).toEqual(['changed team-1'])
    world.see({ ...whole, metadata: { ...whole.metadata, resourceVersion: nextVersion() } })
  }
  expect(new Set(ids).size).toBe(2)
  await world.end()
})
