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

const nothing = Object.fromEntries(Object.keys(collections).map(kind => [kind, []]))

/** Time in which the controllers of the cluster remove what hangs on objects that are gone. */
const leftMs = 120_000

describe('a deleted instance', () => {
  test('leaves nothing behind', async () => {
    const at = { namespace: world.namespaces[0], name: 'web-1' }
    const web = await world.challenges.start(at, { template: 'web', team: 1 })
    const { NetworkPolicy: _, ...before } = await objectsOf(web)
    for (const [kind, names] of Object.entries(before)) expect(names, kind).not.toEqual([])
    await world.challenges.delete(at)
    await world.challenges.untilGone(at)
    await expect.poll(() => objectsOf(web), { timeout: leftMs }).toEqual(nothing)
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

  test('leaves no pod behind whose Deployment was deleted with --cascade=orphan', async () => {
    const { namespaces, challenges, client, signal } = world
    const at = { namespace: namespaces[0], name: 'orphaned' }
    const orphaned = await challenges.start(at, { template: 'web', team: 1 })
    // An operator that runs would make the Deployment again, and adopt the ReplicaSet with it.
    await world.stopOperator()
    try {
      const body = { propagationPolicy: 'Orphan' }
      const path = `/apis/apps/v1/namespaces/${at.namespace}/deployments/${at.name}`
      expect((await client.request('DELETE', path, { body }, signal)).status).toBe(200)
      await expect.poll(async () => (await objectsOf(orphaned)).Deployment, { timeout: leftMs }).toEqual([])
      await challenges.delete(at)
    } finally {
      await world.startOperator()
    }
    await challenges.untilGone(at)
    await expect.poll(() => objectsOf(orphaned), { timeout: leftMs }).toEqual(nothing)
  })
})
