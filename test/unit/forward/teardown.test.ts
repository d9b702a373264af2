import { expect, test } from 'vitest'
import type { Deployment, Stored } from '../../../lib/crd/objects.ts'
import { simulatedForwarder } from './simulated-forwarder.ts'
import { start } from './virtual-time.ts'
import { instance, nextVersion, settled, template, withStatus } from './watched-objects.ts'

test('a deletion wakes when marked and when the workload is gone, not when the pass released it', async () => {
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
  // The DELETED event comes before the last child's, from another watch.
  world.gone(service, terminating, policy)
  await world.advance(60_000)
  expect(world.takeSent()).toEqual([])
  await world.end()
})

test('an instance whose finalizer was stripped closes its row, and its children are orphans', async () => {
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

test('an instance created again under its name: the old uid is closed, the new one starts', async () => {
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

test('a finalizer stripped twice within five minutes wakes twice, under two ids', async () => {
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
