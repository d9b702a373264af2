import { afterAll, beforeAll, describe, test } from 'vitest'
import { fieldManager, labels } from '../../lib/crd/group.ts'
import type { NetworkPolicy, Stored } from '../../lib/crd/objects.ts'
import type { Challenge } from './support/challenges.ts'
import { ports, type RunningPod } from './support/probe-pod.ts'
import { needs, openWorld, type World, workload } from './support/world.ts'

const kind = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' }

let world: World
let platform: RunningPod

beforeAll(async () => {
  world = await openWorld({ purpose: 'drift', templates: ['web'] })
  const namespace = world.namespaces[0]
  await world.challenges.applyTemplate(namespace, 'web', workload())
  platform = await world.startProbe('platform')
})
afterAll(() => world?.close())

async function policies(namespace: string): Promise<Stored<NetworkPolicy>[]> {
  const found: Stored<NetworkPolicy>[] = []
  const labelSelector = `${labels.managedBy}=${fieldManager}`
  for await (const page of world.cluster.list<NetworkPolicy>(
    kind,
    { namespace, labelSelector },
    world.signal,
  ))
    found.push(...page)
  return found
}

const everything = [
  { op: 'replace', path: '/spec/ingress', value: [{}] },
  { op: 'replace', path: '/spec/egress', value: [{}] },
] as const

/** By what somebody does to policies by hand. */
const edits: Record<string, (policy: Stored<NetworkPolicy>) => Promise<unknown>> = {
  opened: ({ metadata: { namespace, name }, spec }) => {
    // A policy without rules has no field that could be replaced.
    const operations = everything.map(each => ({
      ...each,
      op:
        each.path === '/spec/ingress' ? (spec.ingress ? 'replace' : 'add') : spec.egress ? 'replace' : 'add',
    }))
    return world.cluster.patchJson({ ...kind, namespace, name }, operations as never, world.signal)
  },
  deleted: ({ metadata: { namespace, name } }) =>
    world.cluster.delete({ ...kind, namespace, name }, {}, world.signal),
}

describe.each(Object.entries(edits))('policies that are %s by hand', (word, edit) => {
  let attacker: Challenge
  let victim: Challenge
  beforeAll(async () => {
    const namespace = world.namespaces[0]
    const start = (name: string, team: number) =>
      world.challenges.start({ namespace, name: `${name}-${word}` }, { template: 'web', team })
    ;[attacker, victim] = await Promise.all([start('attacker', 1), start('victim', 2)])
  })

  test('isolate the teams again as soon as the operator is there', async context => {
    needs(context, 'policies')
    const target = { host: victim.pod.addresses[0] ?? '', port: ports.tcp }
    await world.packets.expectClosed(attacker.pod, target)
    // Without the operator the hole stays long enough to be seen by packets.
    await world.stopOperator()
    try {
      for (const policy of await policies(victim.namespace)) await edit(policy)
      await world.packets.expectOpen(attacker.pod, target)
    } finally {
      await world.startOperator()
    }
    await world.packets.expectClosed(attacker.pod, target)
    await world.packets.expectOpen(platform, target)
  })

  test('isolate the teams again while the operator runs', async context => {
    needs(context, 'policies')
    const target = { host: victim.pod.addresses[0] ?? '', port: ports.tcp }
    for (const policy of await policies(victim.namespace)) await edit(policy)
    await world.packets.expectClosed(attacker.pod, target)
    await world.packets.expectOpen(platform, target)
  })
})
