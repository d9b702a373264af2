import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Placement } from '../../lib/crd/challenge-template.ts'
import { annotations, fieldManager, labels } from '../../lib/crd/group.ts'
import { rowsOf } from '../support/consistency.ts'
import type { Challenge } from './support/challenges.ts'
import { read } from './support/cluster-addresses.ts'
import { isNamespaceGone } from './support/namespaces.ts'
import { ports } from './support/probe-pod.ts'
import { needs, openWorld, placements, type World, workload } from './support/world.ts'

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

/** An event of which no other test has an instance. */
const endingEvent = 2

const templateName = (kind: string, placement: Placement) => `${kind}-${placement.toLowerCase()}`

let world: World
beforeAll(async () => {
  const templates = placements.flatMap(each => ['web', 'slow'].map(kind => templateName(kind, each)))
  world = await openWorld({ purpose: 'deletion', templates, everyPlacement: true })
  const namespace = world.namespaces[0]
  const flagStrategy = { type: 'hmac-per-instance' } as const
  // It takes longer to end than its grace period lasts, so the kubelet kills it at the end of that.
  const args = [...(workload().args ?? []), '--delay-shutdown=60']
  for (const placement of placements) {
    const web = workload({ placement, flagStrategy })
    await world.challenges.applyTemplate(namespace, templateName('web', placement), web)
    const slow = workload({ placement, args })
    await world.challenges.applyTemplate(namespace, templateName('slow', placement), slow)
  }
})
afterAll(() => world?.close())

interface Listed {
  metadata: { name: string; resourceVersion: string; annotations?: Record<string, string> }
}

async function objectsWith(path: string, selector: string): Promise<Listed[]> {
  const list = `/${path}?labelSelector=${encodeURIComponent(selector)}`
  return (await read<{ items: Listed[] }>(world.client, list, world.signal)).items
}

/** By kind, the names of the objects that carry the uid of an instance. */
async function objectsOf({ pod, instance }: Challenge): Promise<Record<string, string[]>> {
  const lists = Object.entries(collections).map(async ([kind, path]) => {
    const collection = path.replace('{namespace}', `namespaces/${pod.namespace}`)
    const found = await objectsWith(collection, `${labels.instanceUid}=${instance.metadata.uid}`)
    return [kind, found.map(({ metadata }) => metadata.name)] as const
  })
  return Object.fromEntries(await Promise.all(lists))
}

const nothing = Object.fromEntries(Object.keys(collections).map(kind => [kind, []]))

/** Time in which the controllers of the cluster remove what hangs on objects that are gone. */
const leftMs = 120_000

/** Time of two resyncs, of which the operator of a test does one a minute. */
const resyncedMs = 180_000

/**
 * Waits until a resync has marked an object as unused, and moves that mark into the past. The shortest grace that can be
 * configured is ten minutes, which is longer than a test may take.
 */
async function letGracePass(path: string): Promise<void> {
  const isMarked = async () => {
    const { metadata } = await read<Listed>(world.client, path, world.signal)
    return metadata.annotations?.[annotations.unusedSince] !== undefined
  }
  await expect.poll(isMarked, { timeout: resyncedMs, interval: 1_000 }).toBe(true)
  const body = { metadata: { annotations: { [annotations.unusedSince]: '2026-01-01T00:00:00Z' } } }
  const request = { body, contentType: 'application/merge-patch+json' }
  expect((await world.client.request('PATCH', path, request, world.signal)).status).toBe(200)
}

describe.each(placements)('a deleted instance with the placement %s', placement => {
  const nameOf = (word: string) => `${word}-${placement.toLowerCase()}`
  const web = templateName('web', placement)

  test('leaves nothing behind', async () => {
    const at = { namespace: world.namespaces[0], name: nameOf('web') }
    const ending = await world.challenges.start(at, { template: web, team: 1 })
    const { NetworkPolicy: _, ...before } = await objectsOf(ending)
    for (const [kind, names] of Object.entries(before)) expect(names, kind).not.toEqual([])
    await world.challenges.delete(at)
    await world.challenges.untilGone(at)
    await expect.poll(() => objectsOf(ending), { timeout: leftMs }).toEqual(nothing)
    expect(await rowsOf(world.operator(), at.name)).toMatchObject([{ deleted_at: expect.any(Date) }])
    // The namespaces of instances and of events stay for others.
    const isGone = await isNamespaceGone(world.client, ending.pod.namespace, world.signal)
    expect(isGone).toBe(placement === 'Instance')
  })

  test('stays isolated from other teams until its last pod is gone', async context => {
    needs(context, 'policies')
    const namespace = world.namespaces[0]
    const [ending, neighbour] = await Promise.all([
      world.challenges.start(
        { namespace, name: nameOf('ending') },
        { template: templateName('slow', placement), team: 1 },
      ),
      world.challenges.start({ namespace, name: nameOf('neighbour') }, { template: web, team: 2 }),
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
    await world.challenges.delete(neighbour)
  })

  test('leaves no pod behind whose Deployment was deleted with --cascade=orphan', async () => {
    const { namespaces, challenges, client, signal } = world
    const at = { namespace: namespaces[0], name: nameOf('orphaned') }
    const orphaned = await challenges.start(at, { template: web, team: 1 })
    // An operator that runs would make the Deployment again, and adopt the ReplicaSet with it.
    await world.stopOperator()
    try {
      const body = { propagationPolicy: 'Orphan' }
      const path = `/apis/apps/v1/namespaces/${orphaned.pod.namespace}/deployments/${at.name}`
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

// Most of the time is spent on waiting for resyncs.
describe.concurrent('after the last instance', { timeout: 2 * resyncedMs + leftMs }, () => {
  test('the namespace of the event goes after its grace', async () => {
    const { challenges, client, namespaces, signal } = world
    const at = { namespace: namespaces[0], name: 'last' }
    const owner = { template: templateName('web', 'Event'), team: 1, event: endingEvent }
    const { pod } = await challenges.start(at, owner)
    await challenges.delete(at)
    await challenges.untilGone(at)
    await letGracePass(`/api/v1/namespaces/${pod.namespace}`)
    const isGone = () => isNamespaceGone(client, pod.namespace, signal)
    await expect.poll(isGone, { timeout: resyncedMs, interval: 1_000 }).toBe(true)
  })

  test('a shared policy goes after its grace, and that of another template stays', async () => {
    const { challenges, namespaces } = world
    const namespace = namespaces[0]
    const policiesPath = `apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`
    const sharedPolicies = async () => {
      const found = await objectsWith(policiesPath, `${labels.managedBy}=${fieldManager},${labels.policy}`)
      return found.map(({ metadata }) => metadata.name)
    }
    const template = templateName('web', 'Shared')
    await challenges.start({ namespace, name: 'staying' }, { template, team: 1 })
    await challenges.applyTemplate(
      namespace,
      templateName('slow', 'Shared'),
      workload({ networkProfile: 'open' }),
    )
    const at = { namespace, name: 'open' }
    const { pod } = await challenges.start(at, { template: templateName('slow', 'Shared'), team: 2 })
    const { [labels.policy]: unneeded = '' } = pod.labels
    expect(await sharedPolicies()).toContain(unneeded)
    await challenges.delete(at)
    await challenges.untilGone(at)
    await letGracePass(`/${policiesPath}/${unneeded}`)
    await expect.poll(sharedPolicies, { timeout: resyncedMs, interval: 1_000 }).not.toContain(unneeded)
    expect(await sharedPolicies()).toHaveLength(1)
  })
})
