import { expect, test } from 'vitest'
import { simulatedForwarder } from './simulated-forwarder.ts'
import { start } from './virtual-time.ts'
import {
  changed,
  instance,
  nextVersion,
  pod,
  settled,
  status,
  template,
  withStatus,
} from './watched-objects.ts'

test('two deletions of a child within five minutes are two changes with different deduplication ids', async () => {
  const world = simulatedForwarder()
  const { instance: whole, children, all } = settled()
  await world.begin(template(), ...all)
  const [child] = children as [(typeof children)[0]]
  const ids: (string | undefined)[] = []
  let now = whole
  for (let round = 0; round < 2; round++) {
    world.gone(child)
    await world.advance(1_100)
    ids.push(world.sent[0]?.deduplicationId)
    expect(world.takeSent()).toEqual(['child team-1'])
    world.see(child)
    now = withStatus(now, now.status ?? {})
    world.see(now)
    await world.advance(2_000)
    expect(world.takeSent()).toEqual([])
  }
  expect(new Set(ids).size).toBe(2)
  await world.end()
})

test('each flap of a pod is a change with a new deduplication id, also without a status write', async () => {
  const world = simulatedForwarder()
  const { instance: whole, all } = settled()
  await world.begin(template(), ...all)
  const ids: (string | undefined)[] = []
  for (let round = 0; round < 3; round++) {
    world.see(pod(whole, false))
    await world.advance(600)
    ids.push(world.sent[0]?.deduplicationId)
    expect(world.takeSent()).toEqual(['pod team-1'])
    world.see(pod(whole, true))
    await world.advance(600)
  }
  expect(new Set(ids).size).toBe(3)
  await world.end()
})

test('the end of an instance is sent when it is due, and again while it has no effect', async () => {
  const world = simulatedForwarder()
  const expiresAt = new Date(start + 3_600_000).toISOString()
  const { all } = settled('team-1', { expiresAt })
  await world.begin(template(), ...all)
  await world.advance(3_599_999)
  expect(world.takeSent()).toEqual([])
  await world.advance(1)
  expect(world.takeSent()).toEqual(['expiry team-1'])
  await world.advance(5_000)
  expect(world.takeSent()).toEqual(['expiry team-1'])
  await world.advance(10_000)
  expect(world.takeSent()).toEqual(['expiry team-1'])
  await world.end()
})

test('a lost message is sent again after a minute, with another deduplication id', async () => {
  const world = simulatedForwarder()
  await world.begin(template(), instance())
  const [first] = world.sent
  expect(world.takeSent()).toEqual(['changed team-1'])
  await world.advance(59_000)
  world.see(instance())
  await world.advance(999)
  expect(world.takeSent()).toEqual([])
  await world.advance(1)
  expect(world.sent[0]?.deduplicationId).not.toBe(first?.deduplicationId)
  expect(world.takeSent()).toEqual(['changed team-1'])
  await world.advance(119_999)
  expect(world.takeSent()).toEqual([])
  await world.end()
})

test('no message counts as lost while others that were sent with it still take effect', async () => {
  const world = simulatedForwarder()
  const names = ['a', 'b', 'c']
  await world.begin(template(), ...names.map(name => instance(name)))
  expect(world.takeSent()).toHaveLength(3)
  const takesEffect = (name: string) => world.see(...settled(name).all)
  await world.advance(55_000)
  takesEffect('a')
  await world.advance(55_000)
  takesEffect('b')
  expect(world.takeSent()).toEqual([])
  // A message is waited for three times as long as the slowest effect took.
  await world.advance(219_000)
  expect(world.takeSent()).toEqual([])
  await world.advance(2_000)
  expect(world.takeSent()).toEqual(['changed c'])
  await world.end()
})

test('one change for each instance is kept while the queue refuses, and sent when it accepts again', async () => {
  const world = simulatedForwarder()
  world.queue.refuses = true
  await world.begin(template(), ...settled('a').all)
  for (let generation = 2; generation < 30; generation++) {
    const edited = settled('a').instance
    edited.metadata = { ...edited.metadata, generation, resourceVersion: nextVersion() }
    world.see(edited)
    await world.advance(1_000)
  }
  expect(world.takeSent()).toEqual([])
  world.queue.refuses = false
  await world.advance(30_000)
  expect(world.takeSent()).toEqual(['changed a'])
  await world.end()
})

test('the repair of several children causes no change', async () => {
  const world = simulatedForwarder()
  const { instance: whole, children, all } = settled()
  await world.begin(template(), ...all)
  const drifted = children.map(each => changed(each, 2))
  world.see(...drifted)
  await world.advance(1_000)
  expect(world.takeSent()).toEqual(['child team-1'])
  const repaired = children.map(each => changed(each, 3))
  for (const child of repaired) {
    world.see(child)
    await world.advance(250)
  }
  world.see(withStatus(whole, status(repaired, false, { podName: 'team-1-pod' })))
  await world.advance(10_000)
  expect(world.takeSent()).toEqual([])
  await world.end()
})

test('a phase that flaps causes no change while it is held, one when it is told, and one when it is calm', async () => {
  const world = simulatedForwarder()
  const since = new Date(start).toISOString()
  const phaseChanges = { count: 7, since }
  const { instance: whole, all } = settled('team-1', { phaseChanges, reason: 'Flapping' })
  await world.begin(template(), ...all)
  for (let round = 0; round < 19; round++) {
    world.see(pod(whole, round % 2 === 1))
    await world.advance(3_000)
  }
  expect(world.takeSent()).toEqual([])
  await world.advance(3_000)
  expect(world.takeSent()).toEqual(['pod team-1'])

  world.see(pod(whole, true))
  world.see(withStatus(whole, { ...whole.status, phaseChanges: { count: 8, since } }))
  await world.advance(59_000)
  expect(world.takeSent()).toEqual([])
  await world.advance(1_500)
  expect(world.takeSent()).toEqual(['pod team-1'])

  const { reason: _, ...calm } = whole.status ?? {}
  world.see(withStatus(whole, { ...calm, phaseChanges: { count: 8, since } }))
  await world.advance(600_000)
  expect(world.takeSent()).toEqual([])
  await world.end()
})
