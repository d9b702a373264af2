import { expect, test } from 'vitest'
import { simulatedForwarder } from './simulated-forwarder.ts'
import { start } from './virtual-time.ts'
import { changed, instance, pod, settled, status, template, withStatus } from './watched-objects.ts'

test('a broken edit is held after two instances, and a corrected edit goes on', async () => {
  const world = simulatedForwarder()
  const names = Array.from({ length: 20 }, (_, index) => `t${index}`)
  const before = names.map(name => settled(name))
  const instances = new Map(before.map(each => [each.instance.metadata.name, each]))
  await world.begin(template(), ...before.flatMap(each => each.all))
  const takeUp = (generation: number, ready: boolean) => {
    const released = world.takeSent().map(each => each.split(' ')[1] ?? '')
    for (const name of released) {
      const each = instances.get(name)
      if (!each) continue
      const whole = status(each.children, ready, {
        podName: `${name}-pod`,
        template: { uid: 'template-1', generation, hash: 'h' },
      })
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
  const other = { uid: 'template-1', generation: 2, hash: 'h' }
  const stuck = ['x', 'y'].map(name => withStatus(instance(name), { ...status([], false), template: other }))
  await world.begin(template(2), ...stuck, ...all)
  await world.advance(5_000)
  expect(world.takeSent()).toEqual([])
  world.gone(...children.filter(each => each.kind === 'Service'))
  await world.advance(1_100)
  expect(world.takeSent()).toEqual(['child a'])
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
