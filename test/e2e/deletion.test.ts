import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { labels } from '../../lib/crd/group.ts'
import { rowsOf } from '../support/consistency.ts'
import type { Challenge } from './support/challenges.ts'
import { read } from './support/cluster-addresses.ts'
import { ports } from './support/probe-pod.ts'
import { needs, openWorld, type World, workload } from './support/world.ts'

/** Collections in which something of an instance may be left. */
const collections = {
  Deployment: 'apis/apps/v1/{namespace}/deployments',
  ReplicaSet: 'apis/apps/v1/{namespace}/replicasets',
  Pod: 'api/v1/{namespace}/pods',
  Service: 'api/v1/{namespace}/services',
  EndpointSlice: 'apis/discovery.k8s.io/v1/{namespace}/endpointslices',
  Secret: 'api/v1/{namespace}/secrets',
  NetworkPolicy: 'apis/networking.k8s.io/v1/{namespace}/networkpolicies',
}

let world: World
beforeAll(async () => {
  world = await openWorld({ purpose: 'deletion', templates: ['web', 'slow'] })
  const namespace = world.namespaces[0]
  const flagStrategy = { type: 'hmac-per-instance' } as const
  await world.challenges.applyTemplate(namespace, 'web', workload({ flagStrategy }))
  // It takes longer to end than its grace period lasts, so the kubelet kills it at the end of that.
  const args = [...(workload().args ?? []), '--delay-shutdown=60']
  await world.challenges.applyTemplate(namespace, 'slow', workload({ args }))
})
afterAll(() => world?.close())

/** By kind, the names of the objects that carry the uid of an instance. */
async function objectsOf({ namespace, instance }: Challenge): Promise<Record<string, string[]>> {
  const selector = encodeURIComponent(`${labels.instanceUid}=${instance.metadata.uid}`)
  const lists = Object.entries(collections).map(async ([kind, path]) => {
    const collection = `/${path.replace('{namespace}', `namespaces/${namespace}`)}?labelSelector=${selector}`
    const { items } = await read<{ items: { metadata: { name: string } }[] }>(
      world.client,
      collection,
      world.signal,
    )
    return [kind, items.map(({ metadata }) => metadata.name)] as const
  })
  return Object.fromEntries(await Promise.all(lists))
}

describe('a deleted instance', () => {
  test('leaves nothing behind', async () => {
    const at = { namespace: world.namespaces[0], name: 'web-1' }
    const web = await world.challenges.start(at, { template: 'web', team: 1 })
    const { NetworkPolicy: _, ...before } = await objectsOf(web)
    for (const [kind, names] of Object.entries(before)) expect(names, kind).not.toEqual([])
    await world.challenges.delete(at)
    await world.challenges.untilGone(at)
    // The controllers of the cluster remove what hangs on a Service once it is gone.
    await expect
      .poll(() => objectsOf(web), { timeout: 60_000 })
      .toEqual(Object.fromEntries(Object.keys(collections).map(kind => [kind, []])))
    expect(await rowsOf(world.operator(), 'web-1')).toMatchObject([{ deleted_at: expect.any(Date) }])
  })

  test('stays isolated from other teams until its last pod is gone', async context => {
    needs(context, 'policies')
    const namespace = world.namespaces[0]
    const [ending, neighbour] = await Promise.all([
      world.challenges.start({ namespace, name: 'ending' }, { template: 'slow', team: 1 }),
      world.challenges.start({ namespace, name: 'neighbour' }, { template: 'web', team: 2 }),
    ])
    const target = { host: ending.pod.addresses[0] ?? '', port: ports.tcp }
    await world.packets.expectOpen(ending.pod, target)
    await world.packets.expectClosed(neighbour.pod, target)
    await world.challenges.delete(ending)
    const answers: string[] = []
    while ((await objectsOf(ending)).Pod?.length)
      answers.push(await world.packets.connect(neighbour.pod, target))
    expect(answers.length).toBeGreaterThan(0)
    expect(answers).not.toContain('open')
    await world.challenges.untilGone(ending)
  })
})
