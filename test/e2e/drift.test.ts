import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Placement } from '../../lib/crd/challenge-template.ts'
import { fieldManager, labels } from '../../lib/crd/group.ts'
import type { NetworkPolicy, Stored } from '../../lib/crd/objects.ts'
import type { Challenge } from './support/challenges.ts'
import { ports, type RunningPod } from './support/probe-pod.ts'
import { needs, openWorld, placements, type World, workload } from './support/world.ts'

const kind = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' }

const templateName = (placement: Placement) => `web-${placement.toLowerCase()}`

/** A wide bound: the repair itself takes seconds. */
const repairedMs = 60_000

let world: World
let platform: RunningPod

beforeAll(async () => {
  const templates = placements.map(templateName)
  world = await openWorld({ purpose: 'drift', templates, everyPlacement: true })
  for (const namespace of world.namespaces)
    for (const placement of placements)
      await world.challenges.applyTemplate(namespace, templateName(placement), workload({ placement }))
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

/** By namespace and name, what each policy says. */
const specsOf = (found: readonly Stored<NetworkPolicy>[]) =>
  Object.fromEntries(found.map(({ metadata, spec }) => [`${metadata.namespace}/${metadata.name}`, spec]))

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

const cases = placements.flatMap(placement => [
  { word: 'opened' as const, placement, index: 0 as const },
  { word: 'deleted' as const, placement, index: 1 as const },
])

// Each in a namespace or event of its own, since they concern policies that all pods of a namespace share.
describe.each(cases)(
  'policies of the placement $placement that are $word by hand',
  ({ word, placement, index }) => {
    const edit = edits[word]
    let attacker: Challenge
    let victim: Challenge
    beforeAll(async () => {
      const namespace = world.namespaces[index]
      const start = (name: string, team: number) => {
        const at = { namespace, name: `${name}-${word}-${placement.toLowerCase()}` }
        return world.challenges.start(at, { template: templateName(placement), team, event: index + 1 })
      }
      ;[attacker, victim] = await Promise.all([start('attacker', 1), start('victim', 2)])
    })
    // A small cluster has no room for those of all cases at once.
    afterAll(() => Promise.all([attacker, victim].map(each => world.challenges.delete(each))))

    // With the placement Instance the two have policies of their own, and either keeps the packets out.
    const concerned = () => new Set([attacker, victim].map(({ pod }) => pod.namespace))
    const policiesOfBoth = async () => (await Promise.all([...concerned()].map(policies))).flat()

    test('isolate the teams again as soon as the operator is there', async context => {
      needs(context, 'policies')
      const target = { host: victim.pod.addresses[0] ?? '', port: ports.tcp }
      await world.packets.expectClosed(attacker.pod, target)
      // Without the operator the hole stays long enough to be seen by packets.
      await world.stopOperator()
      try {
        for (const policy of await policiesOfBoth()) await edit(policy)
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
      const before = await policiesOfBoth()
      for (const policy of before) await edit(policy)
      await expect
        .poll(async () => specsOf(await policiesOfBoth()), { timeout: repairedMs })
        .toEqual(specsOf(before))
      await world.packets.expectClosed(attacker.pod, target)
      await world.packets.expectOpen(platform, target)
    })
  },
)
