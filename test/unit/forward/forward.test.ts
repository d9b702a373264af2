import { describe, expect, test } from 'vitest'
import { parseOperatorConfig } from '../../../lib/config/operator.ts'
import type { Deployment, Stored } from '../../../lib/crd/objects.ts'
import { lingerMs } from '../../../lib/forward/send/leadership.ts'
import { createForward } from '../../../lib/forward.ts'
import { silentLog } from '../../../lib/telemetry/log.ts'
import { simulatedForwarder } from './simulated-forwarder.ts'
import {
  childrenOf,
  deployment,
  instance,
  pod,
  settled,
  standingPolicy,
  status,
  template,
  withStatus,
} from './watched-objects.ts'

test('the forwarder sends one change for a new instance and one when it serves', async () => {
  const world = simulatedForwarder()
  await world.begin(template())
  const created = instance('team-1', { finalizers: [] })
  world.see(created)
  await world.advance()
  expect(world.takeSent()).toEqual(['changed team-1'])

  const held = instance('team-1')
  world.see(held)
  const children = childrenOf(held)
  for (const child of children) {
    world.see(child)
    await world.advance(700)
  }
  const provisioning = withStatus(held, status(children, false))
  world.see(provisioning)
  await world.advance(5_000)
  expect(world.takeSent()).toEqual([])

  const available = children.map(each =>
    each.kind === 'Deployment' ? deployment(each as Stored<Deployment>, true) : each,
  )
  world.see(pod(held, false))
  world.see(pod(held, true), ...available.filter(each => each.kind === 'Deployment'))
  await world.advance(100)
  expect(world.sent[0]?.change.pod).toBe('team-1-pod')
  expect(world.takeSent()).toEqual(['pod team-1'])
  world.see(withStatus(held, status(available, true, { podName: 'team-1-pod' })))
  await world.advance(300_000)
  expect(world.takeSent()).toEqual([])
  await world.end()
})

test('the forwarder sends nothing when it starts over settled instances', async () => {
  const world = simulatedForwarder()
  await world.begin(template(), ...['a', 'b', 'c'].flatMap(name => settled(name).all))
  await world.advance(3_600_000)
  expect(world.takeSent()).toEqual([])
  await world.end()
})

test('the forwarder judges nothing before every list has ended', async () => {
  const world = simulatedForwarder()
  const { all } = settled()
  await world.advance()
  world.lead()
  world.see(standingPolicy(), ...all.filter(each => each.kind !== 'Pod'), template())
  world.listed(
    'ChallengeInstance',
    'ChallengeTemplate',
    'Deployment',
    'Service',
    'NetworkPolicy',
    'Ingress',
    'ConfigMap',
  )
  await world.advance(10_000)
  expect(world.takeSent()).toEqual([])
  world.see(...all.filter(each => each.kind === 'Pod'))
  world.listed('Pod')
  await world.advance(10_000)
  expect(world.takeSent()).toEqual([])
  await world.end()
})

test('a standby sends nothing, and judges its whole table when it takes over', async () => {
  const world = simulatedForwarder()
  await world.advance()
  world.see(template(), instance('a'), instance('b'))
  world.listed()
  await world.advance(5_000)
  expect(world.takeSent()).toEqual([])
  world.lead()
  await world.advance()
  expect(world.takeSent()).toEqual(['changed a', 'changed b'])
  world.follow()
  world.see(instance('c'))
  await world.advance(120_000)
  expect(world.takeSent()).toEqual([])
  await world.end()
})

describe('a leader that another forwarder follows', () => {
  test('in order, sends what is pending', async () => {
    const world = simulatedForwarder()
    await world.begin(template(), ...settled().all)
    world.queue.refuses = true
    world.gone(settled().instance)
    await world.advance(10)
    world.follow({ inOrder: true })
    world.queue.refuses = false
    await world.advance(1_000)
    expect(world.takeSent()).toEqual(['deleted team-1'])
    await world.advance(lingerMs)
    await world.end()
  })

  test('in order, judges on for two seconds, and then sends what is pending and no more', async () => {
    const world = simulatedForwarder()
    await world.begin(template())
    world.follow({ inOrder: true })
    await world.advance(lingerMs - 10)
    world.see(instance('a'))
    await world.advance(5)
    expect(world.takeSent()).toEqual(['changed a'])
    await world.advance(10)
    world.see(instance('b'))
    await world.advance(120_000)
    expect(world.takeSent()).toEqual([])
    await world.end()
  })

  test('in order, goes on if it leads again meanwhile', async () => {
    const world = simulatedForwarder()
    await world.begin(template())
    world.follow({ inOrder: true })
    await world.advance(100)
    world.lead()
    await world.advance(lingerMs)
    world.see(instance('a'))
    await world.advance(10)
    expect(world.takeSent()).toEqual(['changed a'])
    await world.end()
  })

  test('of another installation, judges nothing from then on', async () => {
    const world = simulatedForwarder()
    await world.begin(template())
    world.follow({ inOrder: true, foreign: true })
    world.see(instance('a'))
    await world.advance(60_000)
    expect(world.takeSent()).toEqual([])
    await world.end()
  })

  test('after it was away, drops what is pending', async () => {
    const world = simulatedForwarder()
    await world.begin(template(), ...settled().all)
    world.queue.refuses = true
    world.gone(settled().instance)
    await world.advance(10)
    world.follow()
    world.queue.refuses = false
    await world.advance(60_000)
    expect(world.takeSent()).toEqual([])
    await world.end()
  })
})

describe('a leader in doubt of its lease', () => {
  test('judges on, and sends nothing until the lease is confirmed', async () => {
    const world = simulatedForwarder()
    await world.begin(template())
    world.doubt()
    world.see(instance('a'))
    await world.advance(30_000)
    expect(world.takeSent()).toEqual([])
    world.confirm()
    await world.advance()
    expect(world.takeSent()).toEqual(['changed a'])
    await world.end()
  })
})

describe('an instance that goes while no forwarder leads', () => {
  async function standby() {
    const world = simulatedForwarder()
    await world.advance()
    world.see(standingPolicy(), template(), ...settled().all)
    world.listed()
    return world
  }

  test('is found by the one that takes over', async () => {
    const world = await standby()
    world.gone(settled().instance)
    await world.advance(20_000)
    world.lead()
    await world.advance()
    expect(world.takeSent()).toContain('deleted team-1')
    await world.end()
  })

  test('is left to the leader of that time if that was long ago', async () => {
    const world = await standby()
    world.gone(...settled().all)
    await world.advance(60_000)
    world.lead()
    await world.advance()
    expect(world.takeSent()).toEqual([])
    await world.end()
  })
})

test('two forwarders send the same change with the same deduplication id', async () => {
  const one = simulatedForwarder()
  const two = simulatedForwarder()
  const objects = [template(), instance('a')]
  await one.begin(...objects)
  await two.begin(...objects)
  expect(one.sent[0]?.deduplicationId).toBe(two.sent[0]?.deduplicationId)
  await one.end()
  await two.end()
})

test('the forwarder sends pending changes before it ends', async () => {
  const world = simulatedForwarder()
  await world.begin(template(), ...settled().all)
  world.gone(settled().instance)
  await world.end()
  expect(world.takeSent()).toEqual(['deleted team-1'])
})

test('the forwarder ends with the error of a watch that cannot go on', async () => {
  const { forward, stopped } = forwarderWithFailingWatch()
  await expect(forward(new AbortController().signal)).rejects.toThrow('no such kind')
  expect(stopped()).toBe(9)
})

/** A forwarder with eight watches and an election that run until they are stopped, and one watch that fails. */
function forwarderWithFailingWatch() {
  let stopped = 0
  const untilStopped = (signal: AbortSignal) =>
    new Promise<void>(resolve =>
      signal.addEventListener('abort', () => {
        stopped += 1
        resolve()
      }),
    )
  const forward = createForward({
    discover: async () => new Map(),
    gateway: undefined,
    warnMinutes: 10,
    leaseNamespace: 'default',
    watch: async (target, _, signal) => {
      if (target.kind === 'Pod') throw new Error('no such kind')
      await untilStopped(signal)
    },
    elect: (_, signal) => untilStopped(signal),
    changes: { sendBatch: async () => [] },
    watching: { namespaces: '*', everywhere: false },
    settings: { settings: 's1', settingsOfOwnPolicy: 's1-own' },
    policySettings: parseOperatorConfig({}),
    log: silentLog,
    now: Date.now,
  })
  return { forward, stopped: () => stopped }
}
