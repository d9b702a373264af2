import { expect, test } from 'vitest'
import type { Deployment } from '../../../lib/crd/objects.ts'
import {
  childrenOf,
  deployment,
  forwarder,
  instance,
  nextVersion,
  pod,
  settled,
  start,
  status,
  template,
  withStatus,
} from './world.ts'

test('creating an instance wakes once, and once more when it serves', async () => {
  const world = forwarder()
  await world.begin(template())
  const created = instance('team-1', { finalizers: [] })
  world.see(created)
  await world.advance()
  expect(world.news()).toEqual(['changed team-1'])

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
  expect(world.news()).toEqual([])

  const available = children.map(each =>
    each.kind === 'Deployment' ? deployment(each as Deployment, true) : each,
  )
  world.see(pod(held, false))
  world.see(pod(held, true), ...available.filter(each => each.kind === 'Deployment'))
  await world.advance(100)
  expect(world.sent[0]?.change.pod).toBe('team-1-pod')
  expect(world.news()).toEqual(['pod team-1'])
  world.see(withStatus(held, status(available, true, { podName: 'team-1-pod' })))
  await world.advance(300_000)
  expect(world.news()).toEqual([])
  await world.end()
})

test('a start over settled instances sends nothing', async () => {
  const world = forwarder()
  await world.begin(template(), ...['a', 'b', 'c'].flatMap(name => settled(name).all))
  await world.advance(3_600_000)
  expect(world.news()).toEqual([])
  await world.end()
})

test('nothing is judged before every list has ended', async () => {
  const world = forwarder()
  const { all } = settled()
  world.lead()
  world.see(...all.filter(each => each.kind !== 'Pod'), template())
  world.listed('ChallengeInstance', 'ChallengeTemplate', 'Deployment', 'Service', 'NetworkPolicy')
  await world.advance(10_000)
  expect(world.news()).toEqual([])
  world.see(...all.filter(each => each.kind === 'Pod'))
  world.listed('Pod')
  await world.advance(10_000)
  expect(world.news()).toEqual([])
  await world.end()
})

test('a standby sends nothing, and judges its whole table on taking over', async () => {
  const world = forwarder()
  world.see(template(), instance('a'), instance('b'))
  world.listed()
  await world.advance(5_000)
  expect(world.news()).toEqual([])
  world.lead()
  await world.advance()
  expect(world.news()).toEqual(['changed a', 'changed b'])
  world.follow()
  world.see(instance('c'))
  await world.advance(120_000)
  expect(world.news()).toEqual([])
  await world.end()
})

test('two forwarders send the same change under the same id', async () => {
  const one = forwarder()
  const two = forwarder()
  const objects = [template(), instance('a')]
  await one.begin(...objects)
  await two.begin(...objects)
  expect(one.sent[0]?.deduplicationId).toBe(two.sent[0]?.deduplicationId)
  await one.end()
  await two.end()
})

test('a child deleted by hand twice within five minutes wakes twice, under two ids', async () => {
  const world = forwarder()
  const { instance: whole, children, all } = settled()
  await world.begin(template(), ...all)
  const service = children[0] as (typeof children)[0]
  const ids: (string | undefined)[] = []
  let now = whole
  for (let round = 0; round < 2; round++) {
    world.gone(service)
    await world.advance(1_100)
    ids.push(world.sent[0]?.deduplicationId)
    expect(world.news()).toEqual(['child team-1'])
    world.see(service)
    now = withStatus(now, now.status ?? {})
    world.see(now)
    await world.advance(2_000)
    expect(world.news()).toEqual([])
  }
  expect(new Set(ids).size).toBe(2)
  await world.end()
})

test('a pod that flaps while nobody writes a status wakes under a new id each time', async () => {
  const world = forwarder()
  const { instance: whole, all } = settled()
  await world.begin(template(), ...all)
  const ids: (string | undefined)[] = []
  for (let round = 0; round < 3; round++) {
    world.see(pod(whole, false))
    await world.advance(600)
    ids.push(world.sent[0]?.deduplicationId)
    expect(world.news()).toEqual(['pod team-1'])
    world.see(pod(whole, true))
    await world.advance(600)
  }
  expect(new Set(ids).size).toBe(3)
  await world.end()
})

test('a deletion wakes when marked and when the workload is gone, not when the pass released it', async () => {
  const world = forwarder()
  const { instance: whole, children, all, pod: running } = settled()
  await world.begin(template(), ...all)
  const marked = withStatus(whole, whole.status ?? {})
  marked.metadata = { ...marked.metadata, generation: 2, deletionTimestamp: new Date(start).toISOString() }
  world.see(marked)
  await world.advance(100)
  expect(world.news()).toEqual(['deleted team-1'])
  const [service, policy, workload] = children as [Deployment, Deployment, Deployment]
  world.see({
    ...workload,
    metadata: { ...workload.metadata, deletionTimestamp: 'now', generation: 2 },
  } as never)
  const terminating = withStatus(marked, { ...marked.status, phase: 'Terminating', observedGeneration: 2 })
  world.see(terminating)
  await world.advance(5_000)
  expect(world.news()).toEqual([])
  world.gone(running, workload)
  await world.advance(100)
  expect(world.news()).toEqual(['deleted team-1'])
  // The DELETED event comes before the last child's, from another watch.
  world.gone(service, terminating, policy)
  await world.advance(60_000)
  expect(world.news()).toEqual([])
  await world.end()
})

test('an instance whose finalizer was stripped closes its row, and its children are orphans', async () => {
  const world = forwarder()
  const { instance: whole, all } = settled()
  await world.begin(template(), ...all)
  world.gone(whole)
  await world.advance(100)
  expect(world.news()).toEqual(['deleted team-1'])
  await world.advance(2_000)
  expect(world.sent[0]?.change.uid).toBe('uid-team-1')
  expect(world.news()).toEqual(['orphan team-1'])
  await world.end()
})

test('an instance created again under its name: the old uid is closed, the new one starts', async () => {
  const world = forwarder()
  await world.begin(template(), ...settled().all)
  world.see(instance('team-1', { uid: 'uid-2' }))
  await world.advance(100)
  expect(world.sent.map(({ change }) => `${change.cause} ${change.uid}`)).toEqual([
    'deleted uid-team-1',
    'changed uid-2',
  ])
  await world.end()
})

test('an end is sent within the second it is due, and again while nothing follows', async () => {
  const world = forwarder()
  const expiresAt = new Date(start + 3_600_000).toISOString()
  const { all } = settled('team-1', { expiresAt })
  await world.begin(template(), ...all)
  await world.advance(3_599_999)
  expect(world.news()).toEqual([])
  await world.advance(1)
  expect(world.news()).toEqual(['expiry team-1'])
  await world.advance(5_000)
  expect(world.news()).toEqual(['expiry team-1'])
  await world.advance(10_000)
  expect(world.news()).toEqual(['expiry team-1'])
  await world.end()
})

test('a lost message is sent again after a minute, under an id of its own', async () => {
  const world = forwarder()
  await world.begin(template(), instance())
  const [first] = world.sent
  expect(world.news()).toEqual(['changed team-1'])
  await world.advance(59_000)
  world.see(instance())
  await world.advance(999)
  expect(world.news()).toEqual([])
  await world.advance(1)
  expect(world.sent[0]?.deduplicationId).not.toBe(first?.deduplicationId)
  expect(world.news()).toEqual(['changed team-1'])
  await world.advance(119_999)
  expect(world.news()).toEqual([])
  await world.end()
})

test('while the queue refuses, one change an instance is kept, and sent when it accepts again', async () => {
  const world = forwarder()
  world.queue.refuses = true
  await world.begin(template(), ...settled('a').all)
  for (let generation = 2; generation < 30; generation++) {
    const edited = settled('a').instance
    edited.metadata = { ...edited.metadata, generation, resourceVersion: nextVersion() }
    world.see(edited)
    await world.advance(1_000)
  }
  expect(world.news()).toEqual([])
  world.queue.refuses = false
  await world.advance(30_000)
  expect(world.news()).toEqual(['changed a'])
  await world.end()
})

test('a broken edit stops by itself after two, and a corrected one goes on', async () => {
  const world = forwarder()
  const names = Array.from({ length: 20 }, (_, index) => `t${index}`)
  const before = names.map(name => settled(name))
  const instances = new Map(before.map(each => [each.instance.metadata.name ?? '', each]))
  await world.begin(template(), ...before.flatMap(each => each.all))
  const takeUp = (generation: number, ready: boolean) => {
    const released = world.news().map(each => each.split(' ')[1] ?? '')
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
  const mended: string[] = []
  for (let tick = 0; tick < 60; tick++) {
    await world.advance(100)
    mended.push(...takeUp(3, true))
  }
  expect(mended.slice(0, 2).sort()).toEqual(broken.sort())
  expect([...mended].sort()).toEqual([...names].sort())
  await world.end()
})

test('instances that waited for their template start at once when it comes', async () => {
  const world = forwarder()
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
  expect(world.news()).toEqual([])
  world.see(template())
  await world.advance()
  expect(world.news()).toEqual(['template a', 'template b', 'template c', 'template d'])
  await world.end()
})
