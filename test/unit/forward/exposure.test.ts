import { describe, expect, test } from 'vitest'
import { parseOperatorConfig } from '../../../lib/config/operator.ts'
import type { ChallengeInstanceStatus } from '../../../lib/crd/challenge-instance.ts'
import { gatewayKind } from '../../../lib/crd/child-kinds.ts'
import type { GatewayRoute, KubernetesObject, Stored } from '../../../lib/crd/objects.ts'
import { withoutGateway } from '../../../lib/observed/exposure.ts'
import { gatewayApi, simulatedForwarder } from './simulated-forwarder.ts'
import { start } from './virtual-time.ts'
import { instance, namespace, pod, settled, status, template, withStatus } from './watched-objects.ts'

const config = parseOperatorConfig({ OPERATOR_GATEWAY: 'infra/public' })
const parentRef = { namespace: 'infra', name: 'public' }

const gateway = {
  ...gatewayKind,
  metadata: {
    namespace: 'infra',
    name: 'public',
    uid: 'gateway-uid',
    resourceVersion: '1',
    creationTimestamp: '2026-11-21T08:00:00Z',
  },
} as Stored<KubernetesObject>

let version = 100_000

/** The route of an instance as its controller answered it. */
function routeOf(of: Stored<KubernetesObject>, accepted: 'True' | 'False', reason = 'Accepted') {
  const at = new Date(start).toISOString()
  const condition = (type: string, status: 'True' | 'False', why: string) => ({
    type,
    status,
    reason: why,
    message: '',
    lastTransitionTime: at,
  })
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: {
      ...of.metadata,
      uid: `route-${of.metadata.name}`,
      generation: 1,
      resourceVersion: String(version++),
    },
    spec: { parentRefs: [parentRef], hostnames: [], rules: [] },
    status: {
      parents: [
        {
          parentRef,
          conditions: [
            condition('Accepted', accepted, reason),
            condition('ResolvedRefs', 'True', 'ResolvedRefs'),
          ],
        },
      ],
    },
  } as unknown as Stored<GatewayRoute>
}

/** A settled instance with a route. @param state as the status has recorded it */
function routed(name: string, state: string, more: Partial<ChallengeInstanceStatus> = {}) {
  const { instance, children, pod } = settled(name)
  const service = children.find(each => each.kind === 'Service') as Stored<KubernetesObject>
  const route = routeOf(service, 'True')
  const written = status([...children, route], true, {
    podName: pod.metadata.name,
    exposure: { type: 'HTTPRoute', state },
    ...more,
  })
  return { route, service, all: [withStatus(instance, written), ...children, route, pod] }
}

test('a route that its controller refuses wakes its instance once, and one as recorded wakes nobody', async () => {
  const world = simulatedForwarder([namespace], config)
  const { service, all } = routed('team-1', 'accepted')
  await world.begin(template(), gateway, ...all)
  await world.advance(60_000)
  expect(world.takeSent()).toEqual([])
  world.see(routeOf(service, 'False', 'Refused'))
  await world.advance(1_000)
  expect(world.takeSent()).toEqual(['child team-1'])
  world.see(routeOf(service, 'True'))
  await world.advance(60_000)
  expect(world.takeSent()).toEqual([])
  await world.end()
})

describe('a Gateway that goes under 300 instances', () => {
  const names = Array.from({ length: 300 }, (_, index) => `team-${index}`)

  async function withoutIts(...more: Stored<KubernetesObject>[]) {
    const world = simulatedForwarder([namespace], config)
    const routes = names.flatMap(name => routed(name, 'accepted').all)
    await world.begin(template(), gateway, ...routes, ...more)
    world.gone(gateway)
    await world.advance(1_000)
    return world
  }

  test('wakes few at a time, and delays no creation, no deletion and no trouble', async () => {
    const others = settled('other')
    const world = await withoutIts(...others.all)
    expect(world.takeSent()).toHaveLength(20)
    world.see(pod(others.instance, false), instance('new'), deleted('team-290'))
    await world.advance(600)
    expect(world.takeSent().toSorted()).toEqual(['changed new', 'deleted team-290', 'pod other'])
    await world.end()
  })

  test('wakes each of them once, the next ones as soon as the statuses say so', async () => {
    const world = await withoutIts()
    const woken: string[] = []
    for (let round = 0; round < names.length / 20; round++) {
      const sent = world.takeSent()
      woken.push(...sent)
      world.see(...sent.map(line => toldOf(line.replace('child ', ''))))
      await world.advance(100)
    }
    expect(woken.toSorted()).toEqual(names.map(name => `child ${name}`).toSorted())
    await world.advance(600_000)
    expect(world.takeSent()).toEqual([])
    await world.end()
  })

  test('wakes no more of them once it is back', async () => {
    const world = await withoutIts()
    const told = world.takeSent()
    world.see(gateway)
    await world.advance(60_000)
    expect(world.takeSent()).toEqual([])
    world.see(...told.map(line => toldOf(line.replace('child ', ''))))
    await world.advance(1_000)
    expect(world.takeSent().toSorted()).toEqual(told.toSorted())
    await world.end()
  })

  /** The instance with a status that says that the Gateway is missing. */
  function toldOf(name: string): Stored<KubernetesObject> {
    const [told] = routed(name, withoutGateway).all
    return newer(told as Stored<KubernetesObject>)
  }

  function deleted(name: string): Stored<KubernetesObject> {
    const [live] = routed(name, 'accepted').all
    const { metadata, ...rest } = newer(live as Stored<KubernetesObject>)
    return { ...rest, metadata: { ...metadata, deletionTimestamp: new Date(start).toISOString() } }
  }

  function newer({ metadata, ...rest }: Stored<KubernetesObject>): Stored<KubernetesObject> {
    return { ...rest, metadata: { ...metadata, resourceVersion: String(version++) } }
  }
})

test('instances that know of the missing Gateway stay asleep until it is back', async () => {
  const world = simulatedForwarder([namespace], config)
  await world.begin(template(), ...routed('team-1', withoutGateway).all)
  await world.advance(600_000)
  expect(world.takeSent()).toEqual([])
  world.see(gateway)
  await world.advance(1_000)
  expect(world.takeSent()).toEqual(['child team-1'])
  await world.end()
})

test('an instance whose first Ready waits for its exposure is at rest while its pod serves', async () => {
  const world = simulatedForwarder([namespace], config)
  const at = new Date(start).toISOString()
  const condition = (type: string) => ({
    type,
    status: 'False' as const,
    reason: 'AddressPending',
    message: '',
    lastTransitionTime: at,
  })
  const { service, all } = routed('team-1', 'pending', {
    phase: 'Provisioning',
    reason: 'AddressPending',
    exposure: { type: 'HTTPRoute', state: 'refused Pending', awaited: true },
    conditions: [condition('Ready'), condition('Exposed')],
  })
  await world.begin(
    template(),
    gateway,
    ...all.map(each => (each.kind === 'HTTPRoute' ? routeOf(service, 'False', 'Pending') : each)),
  )
  await world.advance(60_000)
  expect(world.takeSent()).toEqual([])
  world.see(routeOf(service, 'True'))
  await world.advance(1_000)
  expect(world.takeSent()).toEqual(['child team-1'])
  await world.end()
})

test('a cluster without the Gateway API lets nothing wait for its kinds', async () => {
  const world = simulatedForwarder()
  await world.advance()
  expect([...world.handlers.keys()]).not.toContain('HTTPRoute')
  const { all } = routed('team-1', 'accepted')
  await world.begin(template(), ...all.filter(each => each.kind !== 'HTTPRoute'))
  await world.advance(60_000)
  expect(world.takeSent()).toEqual([])
  await world.end()
})

describe('the Gateway API', () => {
  const withoutRoute = ({ all }: ReturnType<typeof routed>) => all.filter(each => each.kind !== 'HTTPRoute')
  const listed = (world: ReturnType<typeof simulatedForwarder>) =>
    world.listed('HTTPRoute', 'TLSRoute', 'Gateway')

  test('is watched soon after its installation, once a status names a route, and tells what was missed', async () => {
    const world = simulatedForwarder([namespace], config, [])
    await world.begin(template())
    await world.advance(60_000)
    world.cluster.served = gatewayApi
    const one = routed('team-1', 'pending')
    world.see(...withoutRoute(one))
    await world.advance()
    world.see(gateway, routeOf(one.service, 'True'))
    await world.advance(1_000)
    expect(world.takeSent()).toEqual(['child team-1'])
    listed(world)
    await world.advance(10_000)
    expect(world.takeSent()).toEqual([])
    await world.end()
  })

  test('lets a route count as gone only after its kind was listed', async () => {
    const world = simulatedForwarder([namespace], config, [])
    await world.begin(template(), ...withoutRoute(routed('team-1', 'accepted')))
    world.cluster.served = gatewayApi
    await world.advance(20_000)
    world.see(gateway)
    expect(world.takeSent()).toEqual([])
    listed(world)
    await world.advance(2_000)
    expect(world.takeSent()).toEqual(['child team-1'])
    await world.end()
  })

  test('makes the missing Gateway known when it is installed without it', async () => {
    const world = simulatedForwarder([namespace], config, gatewayApi.slice(1))
    await world.begin(template(), ...routed('team-1', 'accepted').all)
    world.cluster.served = gatewayApi
    await world.advance(300_000)
    expect(world.takeSent()).toEqual([])
    listed(world)
    await world.advance(1_000)
    expect(world.takeSent()).toEqual(['child team-1'])
    await world.end()
  })

  test('is asked for every five minutes at most while nothing happens, and never without a Gateway', async () => {
    const world = simulatedForwarder([namespace], config, [])
    await world.begin(template())
    await world.advance(3_600_000)
    expect(world.cluster.asked).toBe(1 + 12)
    await world.end()
    const inside = simulatedForwarder()
    await inside.begin(template(), ...withoutRoute(routed('team-1', 'accepted')))
    await inside.advance(3_600_000)
    expect(inside.cluster.asked).toBe(1)
    await inside.end()
  })

  test('is watched no more after its removal, and its routes are missed by nobody', async () => {
    const world = simulatedForwarder([namespace], config)
    const { route, all } = routed('team-1', 'accepted')
    await world.begin(template(), gateway, ...all)
    world.cluster.served = []
    await world.advance(300_000)
    expect([...world.handlers.keys()]).not.toContain('HTTPRoute')
    expect([...world.handlers.keys()]).toContain('Ingress')
    expect(world.takeSent()).toEqual([])
    world.cluster.served = gatewayApi
    await world.advance(300_000)
    world.see(gateway, route)
    listed(world)
    await world.advance(60_000)
    expect(world.takeSent()).toEqual([])
    await world.end()
  })

  test('is watched in the version that is served, also when that changes', async () => {
    const world = simulatedForwarder([namespace], config)
    await world.begin(template(), gateway)
    const before = world.handlers.get('TLSRoute')
    world.cluster.served = gatewayApi.map(([kind, version]) => [kind, kind === 'TLSRoute' ? older : version])
    await world.advance(300_000)
    expect(world.handlers.get('TLSRoute')).toBeDefined()
    expect(world.handlers.get('TLSRoute')).not.toBe(before)
    await world.end()
  })

  const older = 'gateway.networking.k8s.io/v1alpha2'
})
