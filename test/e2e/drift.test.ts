import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fieldManager, labels } from '../../lib/crd/group.ts'
import type { NetworkPolicy, Stored } from '../../lib/crd/objects.ts'
import type { Challenge } from './support/challenges.ts'
import { ports, type RunningPod } from './support/probe-pod.ts'
import { needs, openWorld, type World, workload } from './support/world.ts'

const kind = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' }

/** A wide bound: the repair itself takes seconds. */
const repairedMs = 60_000

let world: World
let platform: RunningPod

beforeAll(async () => {
  world = await openWorld({ purpose: 'drift', templates: ['web'] })
  for (const namespace of world.namespaces) await world.challenges.applyTemplate(namespace, 'web', workload())
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

/** By name, what each policy says. */
const specsOf = (found: readonly Stored<NetworkPolicy>[]) =>
  Object.fromEntries(found.map(({ metadata, spec }) => [metadata.name, spec]))

/** What somebody does to policies by hand. */
const edits = {
  opened: async ({ metadata: { namespace, name } }: Stored<NetworkPolicy>) => {
    const path = `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies/${name}`
    const body = { spec: { ingress: [{}], egress: [{}] } }
    const request = { body, contentType: 'application/merge-patch+json', query: { fieldManager: 'kubectl' } }
    const { status } = await world.client.request('PATCH', path, request, world.signal)
    expect(status).toBe(200)
  },
  deleted: ({ metadata: { namespace, name } }: Stored<NetworkPolicy>) =>
    world.cluster.delete({ ...kind, namespace, name }, {}, world.signal),
}

// Each in a namespace of its own, since both concern the policy that all pods of a namespace share.
describe.each([
  ['opened', 0],
  ['deleted', 1],
] as const)('policies that are %s by hand', (word, index) => {
  const edit = edits[word]
  let attacker: Challenge
  let victim: Challenge
  beforeAll(async () => {
    const namespace = world.namespaces[index]
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
    const before = await policies(victim.namespace)
    for (const policy of before) await edit(policy)
    await expect
      .poll(async () => specsOf(await policies(victim.namespace)), { timeout: repairedMs })
      .toEqual(specsOf(before))
    await world.packets.expectClosed(attacker.pod, target)
    await world.packets.expectOpen(platform, target)
  })
})
