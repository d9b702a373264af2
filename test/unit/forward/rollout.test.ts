import { describe, expect, test } from 'vitest'
import type { ChallengeInstanceStatus } from '../../../lib/crd/challenge-instance.ts'
import type { KubernetesObject, Stored } from '../../../lib/crd/objects.ts'
import { configurationText } from '../../../lib/observed/configuration.ts'
import { presentSettings, simulatedForwarder } from './simulated-forwarder.ts'
import { start } from './virtual-time.ts'
import { changed, instance, pod, settled, status, template, withStatus } from './watched-objects.ts'

test('a broken edit is held after two instances, and a corrected edit goes on', async () => {
  const world = simulatedForwarder()
  const names = Array.from({ length: 20 }, (_, index) => `t${index}`)
  const before = names.map(name => settled(name))
  const instances = new Map(before.map(each => [each.instance.metadata.name, { ...each, ready: true }]))
  await world.begin(template(), ...before.flatMap(each => each.all))
  const takeUp = (generation: number, ready: boolean) => {
    const released = world.takeSent().map(each => each.split(' ')[1] ?? '')
    for (const name of released) {
      const each = instances.get(name)
      if (!each) continue
      const whole = status(each.children, ready, {
        podName: `${name}-pod`,
        template: { uid: 'template-1', generation, hash: 'h', served: each.ready },
      })
      each.ready = ready
      world.see(pod(each.instance, ready))
      world.see(withStatus(each.instance, whole))
    }
    return released
  }
  world.see(template(2))
  const broken: string[] = []
  for (let tick = 0; tick < 50; tick++) {
    await world.advance(100)
    broken.push(...takeUp(2, false))
  }
  expect(broken).toHaveLength(2)
  world.see(template(3))
  const corrected: string[] = []
  for (let tick = 0; tick < 60; tick++) {
    await world.advance(100)
    corrected.push(...takeUp(3, true))
  }
  expect(corrected.slice(0, 2).sort()).toEqual(broken.sort())
  expect([...corrected].sort()).toEqual([...names].sort())
  await world.end()
})

test('instances that wait for their template start at once when it is created', async () => {
  const world = simulatedForwarder()
  const waiting = ['a', 'b', 'c', 'd'].map(name => {
    const lastTransitionTime = new Date(start).toISOString()
    const reason = 'TemplateMissing' as const
    return withStatus(instance(name), {
      phase: 'Pending',
      reason,
      observedGeneration: 1,
      conditions: [{ type: 'Stalled', status: 'True', reason, message: '', lastTransitionTime }],
    })
  })
  await world.begin(...waiting)
  expect(world.takeSent()).toEqual([])
  world.see(template())
  await world.advance()
  expect(world.takeSent()).toEqual(['template a', 'template b', 'template c', 'template d'])
  await world.end()
})

test('the writes of a slow pass for a new template cause no change', async () => {
  const world = simulatedForwarder()
  const { instance: whole, children, all } = settled()
  await world.begin(template(), ...all)
  world.see(template(2))
  await world.advance(100)
  expect(world.takeSent()).toEqual(['template team-1'])
  const rolled = children.map(each => changed(each, 2))
  for (const child of rolled) {
    world.see(child)
    await world.advance(2_000)
  }
  const considered = { uid: 'template-1', generation: 2, hash: 'h2' }
  world.see(withStatus(whole, status(rolled, false, { podName: 'team-1-pod', template: considered })))
  await world.advance(10_000)
  expect(world.takeSent()).toEqual([])
  await world.end()
})

test('a held roll-out does not hide other mismatches', async () => {
  const world = simulatedForwarder()
  const { all, children } = settled('a')
  const other = { uid: 'template-1', generation: 2, hash: 'h', served: true }
  const stuck = ['x', 'y'].map(name => withStatus(instance(name), { ...status([], false), template: other }))
  await world.begin(template(2), ...stuck, ...all)
  await world.advance(5_000)
  expect(world.takeSent()).toEqual([])
  world.gone(...children.filter(each => each.kind === 'Service'))
  await world.advance(1_100)
  expect(world.takeSent()).toEqual(['child a'])
  await world.end()
})

test('two instances with troubles of their own do not hold a roll-out', async () => {
  const world = simulatedForwarder()
  const troubled = ['x', 'y'].map(name => settled(name))
  const healthy = Array.from({ length: 10 }, (_, index) => settled(`t${index}`))
  const broken = troubled.map(each => withStatus(each.instance, status(each.children, false)))
  await world.begin(template(), ...[...troubled, ...healthy].flatMap(each => each.all), ...broken)
  for (const { instance } of troubled) world.see(pod(instance, false))
  await world.advance(1_000)
  world.takeSent()
  world.see(template(2))
  const released: string[] = []
  for (let tick = 0; tick < 50; tick++) {
    await world.advance(100)
    for (const sent of world.takeSent().filter(each => each.startsWith('template'))) {
      const name = sent.split(' ')[1] ?? ''
      released.push(name)
      const each = [...troubled, ...healthy].find(({ instance }) => instance.metadata.name === name)
      if (!each) continue
      const serves = !troubled.includes(each)
      const considered = { uid: 'template-1', generation: 2, hash: 'h', ...(serves && { served: true }) }
      const more = { podName: `${name}-pod`, template: considered }
      world.see(withStatus(each.instance, status(each.children, serves, more)))
    }
  }
  expect(released.slice(0, 2).sort()).toEqual(['x', 'y'])
  expect(released).toHaveLength(12)
  await world.end()
})

test('an instance that waits is told once that its roll-out is held, and again after it was forgotten', async () => {
  const world = simulatedForwarder()
  const waiting = settled('a')
  const other = { uid: 'template-1', generation: 2, hash: 'h', served: true }
  const stuck = ['x', 'y'].map(name => withStatus(instance(name), { ...status([], false), template: other }))
  await world.begin(template(2), ...stuck, ...waiting.all)
  await world.advance(9_000)
  expect(world.takeSent()).toEqual([])
  await world.advance(3_000)
  expect(world.sent.map(({ change }) => [change.cause, change.name, change.held])).toEqual([
    ['changed', 'a', { notReady: 2, of: 2 }],
  ])
  world.takeSent()
  const told = status(waiting.children, true, { podName: 'a-pod', reason: 'RolloutWaiting' })
  world.see(withStatus(waiting.instance, told))
  await world.advance(3_600_000)
  expect(world.takeSent()).toEqual([])
  const { reason: _, ...forgotten } = told
  world.see(withStatus(waiting.instance, forgotten))
  await world.advance(2_000)
  expect(world.takeSent()).toEqual(['changed a'])
  await world.end()
})

test('an instance with a trouble of its own is not told that its roll-out is held', async () => {
  const world = simulatedForwarder()
  const suspended = settled('a', { reason: 'Suspended', phase: 'Idle' })
  const other = { uid: 'template-1', generation: 2, hash: 'h', served: true }
  const stuck = ['x', 'y'].map(name => withStatus(instance(name), { ...status([], false), template: other }))
  await world.begin(template(2), ...stuck, suspended.instance, ...suspended.children, suspended.pod)
  await world.advance(60_000)
  expect(world.sent.filter(({ change }) => change.held)).toEqual([])
  await world.end()
})

test('instances of the older operator are taken over in turn, also after a pause of all of them', async () => {
  const world = simulatedForwarder()
  const lastTransitionTime = new Date(start).toISOString()
  const names = Array.from({ length: 6 }, (_, index) => `old-${index}`)
  const resumed = names.map(name =>
    withStatus(instance(name), {
      phase: 'Ready',
      reason: 'Paused',
      observedGeneration: 1,
      adopting: true,
      conditions: [{ type: 'Ready', status: 'True', reason: 'Available', message: '', lastTransitionTime }],
    }),
  )
  await world.begin(template(), ...resumed)
  await world.advance(250)
  expect(world.takeSent().length).toBeLessThan(4)
  await world.end()
})

describe('changed settings of the operator', () => {
  const other = configurationText({ settings: 's0', keys: '-', served: false })
  const present = (served: boolean) => configurationText({ settings: presentSettings, keys: '-', served })
  const many = (count: number, more: ChallengeInstanceStatus) =>
    Array.from({ length: count }, (_, index) => settled(`t${index}`, more))
  type Settled = ReturnType<typeof settled>

  /** Lets every pass that was sent write what it built with. @returns the names, in order */
  async function passes(
    world: ReturnType<typeof simulatedForwarder>,
    all: Settled[],
    after: (each: Settled) => Stored<KubernetesObject>[],
    ticks: number,
  ): Promise<string[]> {
    const names: string[] = []
    for (let tick = 0; tick < ticks; tick++) {
      await world.advance(100)
      for (const { change } of world.sent.splice(0)) {
        if (change.cause !== 'changed') continue
        names.push(change.name)
        const each = all.find(({ instance }) => instance.metadata.name === change.name)
        if (each) world.see(...after(each))
      }
    }
    return names
  }

  const takenUp = (each: Settled) => [
    withStatus(each.instance, { ...each.instance.status, configuration: present(true) }),
  ]
  const broken = (each: Settled) => [
    pod(each.instance, false),
    withStatus(
      each.instance,
      status(each.children, false, {
        podName: `${each.instance.metadata.name}-pod`,
        configuration: present(true),
      }),
    ),
  ]

  test('reach every instance once, ten a second, and nobody else is woken', async () => {
    const world = simulatedForwarder()
    const late = many(30, { configuration: other })
    const right = settled('right', { configuration: present(false) })
    const earlierRelease = settled('earlier')
    await world.begin(template(), ...[...late, right, earlierRelease].flatMap(each => each.all))
    const first = await passes(world, late, takenUp, 10)
    expect(first.length).toBeLessThanOrEqual(11)
    const names = [...first, ...(await passes(world, late, takenUp, 60))]
    expect(names.toSorted()).toEqual(late.map(({ instance }) => instance.metadata.name).toSorted())
    await world.advance(3_600_000)
    expect(world.takeSent()).toEqual([])
    await world.end()
  })

  test('stop after two instances that are not Ready with them', async () => {
    const world = simulatedForwarder()
    const late = many(20, { configuration: other })
    await world.begin(template(), ...late.flatMap(each => each.all))
    expect(await passes(world, late, broken, 300)).toHaveLength(2)
    await world.end()
  })

  test('reach also the instances of a template that was kept or deleted', async () => {
    const world = simulatedForwarder()
    const kept = { ...template(), spec: { updateStrategy: 'Keep' } }
    const late = many(3, { configuration: other })
    await world.begin(kept, ...late.flatMap(each => each.all))
    expect(await passes(world, late, takenUp, 60)).toHaveLength(3)
    await world.end()
  })

  test('are sent a few times only while the functions have other settings than the forwarder', async () => {
    const world = simulatedForwarder()
    const late = many(100, { configuration: other })
    await world.begin(template(), ...late.flatMap(each => each.all))
    await world.advance(500_000)
    expect(world.takeSent()).toHaveLength(2)
    await world.advance(3_100_000)
    expect(world.takeSent().length).toBeLessThan(50)
    await world.end()
  })

  test('that another pass takes up minutes later do not make a lost message wait for longer', async () => {
    const world = simulatedForwarder()
    const late = settled('late', { configuration: other })
    const ending = settled('ending', { expiresAt: new Date(start + 400_000).toISOString() })
    await world.begin(template(), ...late.all, ...ending.all)
    await world.advance(300_000)
    expect(world.takeSent()).toEqual(['changed late'])
    world.see(...takenUp(late))
    await world.advance(100_000)
    expect(world.takeSent()).toEqual(['expiry ending'])
    await world.advance(5_000)
    expect(world.takeSent()).toEqual(['expiry ending'])
    await world.end()
  })

  test('do not keep a template change from its turn', async () => {
    const world = simulatedForwarder()
    const late = many(10, { configuration: other })
    await world.begin(template(), ...late.flatMap(each => each.all))
    await world.advance(1_000)
    world.takeSent()
    world.see(template(2))
    const sent: string[] = []
    for (let tick = 0; tick < 60; tick++) {
      await world.advance(100)
      for (const { change } of world.sent.splice(0)) {
        sent.push(change.cause)
        const each = late.find(({ instance }) => instance.metadata.name === change.name)
        const considered = { uid: 'template-1', generation: 2, hash: 'h', served: true }
        if (each) world.see(withStatus(each.instance, { ...each.instance.status, template: considered }))
      }
    }
    expect(sent.filter(cause => cause === 'template')).toHaveLength(10)
    await world.end()
  })
})
