import { describe, expect, test } from 'vitest'
import type { Deployment, Stored } from '../../../lib/crd/objects.ts'
import { simulatedForwarder } from './simulated-forwarder.ts'
import {
  childrenOf,
  deployment,
  instance,
  nextVersion,
  pod,
  settled,
  status,
  template,
  withStatus,
} from './watched-objects.ts'

/** A Ready instance whose pod was deleted, with the message about it sent. */
async function pastReady() {
  const world = simulatedForwarder()
  const { instance: whole, children, pod: running, all } = settled()
  await world.begin(template(), ...all)
  const workload = children.find(each => each.kind === 'Deployment') as Stored<Deployment>
  const unready = () => deployment(workload, false)
  world.gone(running)
  world.see(unready())
  await world.advance(600)
  const first = world.sent[0]?.deduplicationId
  expect(world.takeSent()).toEqual(['child team-1'])
  return { world, whole, children, unready, first }
}

describe('a mismatch that newer versions show unchanged', () => {
  test('is sent once more within two seconds, with another deduplication id', async () => {
    const { world, unready, first } = await pastReady()
    world.see(unready())
    await world.advance(999)
    expect(world.takeSent()).toEqual([])
    await world.advance(1)
    expect(world.sent[0]?.deduplicationId).not.toBe(first)
    expect(world.takeSent()).toEqual(['child team-1'])
    await world.advance(59_000)
    expect(world.takeSent()).toEqual([])
    await world.end()
  })

  test('is sent once more after a status write that did not cure it', async () => {
    const { world, whole, children } = await pastReady()
    world.see(withStatus(whole, status(children, true, { podName: 'team-1-pod', message: 'other' })))
    await world.advance(1_000)
    expect(world.takeSent()).toEqual(['child team-1'])
    await world.end()
  })

  test('is sent no more once a pass has cured it', async () => {
    const { world, whole, children, unready } = await pastReady()
    world.see(unready())
    await world.advance(200)
    world.see(withStatus(whole, status(children, false)))
    await world.advance(50_000)
    expect(world.takeSent()).toEqual([])
    await world.end()
  })

  test('has one message waiting, however many versions come, and later ones come at growing distances', async () => {
    const { world, unready } = await pastReady()
    const perMinute: number[] = []
    for (let minute = 0; minute < 3; minute++) {
      for (let version = 0; version < 600; version++) {
        world.see(unready())
        await world.advance(100)
      }
      perMinute.push(world.takeSent().length)
    }
    // Three after a second each, then after 2, 4, 8 and 16 s; then after 32 and 60 s.
    expect(perMinute[0]).toBeLessThanOrEqual(7)
    expect(perMinute.slice(1).every(count => count <= 2)).toBe(true)
    expect(perMinute[0]).toBeGreaterThanOrEqual(5)
    await world.end()
  }, 60_000)

  test('waits for as long as the queue is', async () => {
    const world = simulatedForwarder()
    const { pod: running, children, all } = settled()
    const others = Array.from({ length: 8 }, (_, index) => `other-${index}`)
    await world.begin(template(), ...all, ...others.map(name => instance(name)))
    expect(world.takeSent()).toHaveLength(8)
    await world.advance(4_000)
    for (const name of others) world.see(...settled(name).all)
    world.gone(running)
    const workload = children.find(each => each.kind === 'Deployment') as Stored<Deployment>
    world.see(deployment(workload, false))
    await world.advance(600)
    expect(world.takeSent()).toEqual(['child team-1'])
    world.see(deployment(workload, false))
    // Messages of late took four seconds each. This one is waited for three times as long.
    await world.advance(11_300)
    expect(world.takeSent()).toEqual([])
    await world.advance(700)
    expect(world.takeSent()).toEqual(['child team-1'])
    await world.end()
  })
})

test('a mismatch of the instance alone is not sent again for a newer version of it', async () => {
  const world = simulatedForwarder()
  const { instance: whole, all } = settled()
  await world.begin(template(), ...all)
  const paused = {
    ...whole,
    metadata: { ...whole.metadata, annotations: { 'infra.ctf.example.com/paused': 'true' } },
  }
  for (let version = 0; version < 5; version++) {
    world.see({ ...paused, metadata: { ...paused.metadata, resourceVersion: nextVersion() } })
    await world.advance(5_000)
  }
  expect(world.takeSent()).toEqual(['changed team-1'])
  await world.end()
})

test('the events that follow a start cause no further message', async () => {
  const world = simulatedForwarder()
  await world.begin(template())
  const created = instance()
  const children = childrenOf(created)
  const workload = children.find(each => each.kind === 'Deployment') as Stored<Deployment>
  world.see(created)
  await world.advance(50)
  world.see(...children, withStatus(created, status(children, false)))
  world.see(pod(created, false))
  world.see(pod(created, true))
  for (let version = 0; version < 5; version++) {
    world.see(deployment(workload, true))
    await world.advance(100)
  }
  world.see(withStatus(created, status(children, true, { podName: 'team-1-pod' })))
  await world.advance(3_600_000)
  expect(world.takeSent()).toEqual(['changed team-1', 'pod team-1'])
  await world.end()
})
