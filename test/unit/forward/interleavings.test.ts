import { expect, test } from 'vitest'
import type { Deployment, KubernetesObject, Stored } from '../../../lib/crd/objects.ts'
import { simulatedForwarder } from './simulated-forwarder.ts'
import { childrenOf, deployment, instance, pod, status, template, withStatus } from './watched-objects.ts'

/** A linear congruential generator. The same seed gives the same order. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32
    return state / 2 ** 32
  }
}

/** The objects that each watch reports while an instance becomes Ready. Only objects of one watch have an order. */
function reportsByWatch(name: string): Stored<KubernetesObject>[][] {
  const created = instance(name)
  const children = childrenOf(created)
  const workload = children.find(each => each.kind === 'Deployment') as Stored<Deployment>
  const ready = deployment(workload, true)
  const podName = `${name}-pod`
  return [
    [
      created,
      withStatus(created, status(children, false)),
      withStatus(created, status(children, true, { podName })),
    ],
    ...children.filter(each => each !== workload).map(each => [each]),
    [workload, ready],
    [pod(created, false), pod(created, true)],
  ]
}

const seeds = Array.from({ length: 40 }, (_, index) => index + 1)

test.each(seeds)(
  'seed %i: instances become settled with few messages, however their watches interleave',
  async seed => {
    const chance = random(seed)
    const world = simulatedForwarder()
    await world.begin(template())
    const names = ['a', 'b', 'c', 'd', 'e']
    const streams = names.flatMap(reportsByWatch)
    const counts = new Map<string, number>()
    const count = () => {
      for (const each of world.takeSent()) {
        const name = each.split(' ')[1] ?? ''
        counts.set(name, (counts.get(name) ?? 0) + 1)
      }
    }
    while (streams.some(stream => stream.length > 0)) {
      const open = streams.filter(stream => stream.length > 0)
      const next = open[Math.floor(chance() * open.length)]?.shift()
      if (next) world.see(next)
      // Watches are milliseconds apart. All events together take about two seconds.
      await world.advance(Math.floor(chance() * 100))
      count()
    }
    await world.advance(10_000)
    count()
    await world.advance(3_600_000)
    expect(world.takeSent(), `seed ${seed}: everything has settled`).toEqual([])
    // One for the creation, one for Ready, and one more where a status overtook an event of another watch.
    for (const name of names) expect(counts.get(name) ?? 0, `seed ${seed}, ${name}`).toBeLessThanOrEqual(4)
    await world.end()
  },
)
