import { expect, test } from 'vitest'
import { simulatedForwarder } from './simulated-forwarder.ts'
import { settled, standingPolicy, template } from './watched-objects.ts'

const opened = () => standingPolicy({ ingress: [{}], egress: [{}] })

test('a default-deny policy that is opened by hand sends the key of one instance at once', async () => {
  const world = simulatedForwarder()
  await world.begin(template(), ...settled('a').all, ...settled('b').all)
  await world.advance(60_000)
  expect(world.takeSent()).toEqual([])
  world.see(opened())
  await world.advance()
  expect(world.takeSent()).toEqual(['drift a'])
  world.see(standingPolicy())
  await world.advance(3_600_000)
  expect(world.takeSent()).toEqual([])
  await world.end()
})

test('a default-deny policy that is deleted sends the key of one instance after a second', async () => {
  const world = simulatedForwarder()
  await world.begin(template(), ...settled('a').all)
  world.gone(standingPolicy())
  await world.advance(999)
  expect(world.takeSent()).toEqual([])
  await world.advance(1)
  expect(world.takeSent()).toEqual(['drift a'])
  await world.end()
})

test('a default-deny policy that was opened before the start is found at the start', async () => {
  const world = simulatedForwarder()
  await world.begin(template(), ...settled('a').all, opened())
  expect(world.takeSent()).toEqual(['drift a'])
  await world.end()
})

test('a default-deny policy that comes after the first instance of a namespace causes no change', async () => {
  const world = simulatedForwarder()
  await world.begin(template())
  world.gone(standingPolicy())
  world.see(...settled('a').all)
  await world.advance(900)
  world.see(standingPolicy())
  await world.advance(60_000)
  expect(world.takeSent()).toEqual([])
  await world.end()
})

test('a default-deny policy that is open without an instance is found when one comes', async () => {
  const world = simulatedForwarder()
  await world.begin(template(), opened())
  await world.advance(60_000)
  expect(world.takeSent()).toEqual([])
  world.see(...settled('a').all)
  await world.advance()
  expect(world.takeSent()).toEqual(['drift a'])
  await world.end()
})

test('a default-deny policy that stays open is sent again, for another instance each time', async () => {
  const world = simulatedForwarder()
  await world.begin(template(), ...settled('a').all, ...settled('b').all)
  world.see(opened())
  await world.advance(4_999)
  expect(world.takeSent()).toEqual(['drift a'])
  await world.advance(10_001)
  expect(world.takeSent()).toEqual(['drift b', 'drift a'])
  await world.advance(3_600_000)
  expect(world.takeSent().length).toBeLessThanOrEqual(120)
  await world.end()
})

test('a default-deny policy that is opened again and again is repaired with growing pauses', async () => {
  const world = simulatedForwarder()
  await world.begin(template(), ...settled('a').all)
  const sentAfter: number[] = []
  for (let second = 0; second < 60; second++) {
    world.see(opened())
    await world.advance()
    if (world.takeSent().length > 0) sentAfter.push(second)
    world.see(standingPolicy())
    await world.advance(1_000)
  }
  expect(sentAfter).toEqual([0, 1, 3, 7, 15, 31])
  await world.end()
})

test('each of two changes within five minutes has a deduplication id of its own', async () => {
  const world = simulatedForwarder()
  await world.begin(template(), ...settled('a').all)
  for (let times = 0; times < 3; times++) {
    world.see(standingPolicy())
    world.gone(standingPolicy())
    await world.advance(20_000)
  }
  const ids = world.sent.map(each => each.deduplicationId)
  expect(ids.length).toBeGreaterThanOrEqual(3)
  expect(new Set(ids).size).toBe(ids.length)
  await world.end()
})
