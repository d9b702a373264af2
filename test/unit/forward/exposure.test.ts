import { expect, test } from 'vitest'
import { parseOperatorConfig } from '../../../lib/config/operator.ts'
import type { ChallengeInstanceStatus } from '../../../lib/crd/challenge-instance.ts'
import { gatewayKind } from '../../../lib/crd/child-kinds.ts'
import type { GatewayRoute, KubernetesObject, Stored } from '../../../lib/crd/objects.ts'
import { withoutGateway } from '../../../lib/observed/exposure.ts'
import { simulatedForwarder } from './simulated-forwarder.ts'
import { start } from './virtual-time.ts'
import { namespace, pod, settled, status, template, withStatus } from './watched-objects.ts'

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

test('a Gateway that goes wakes the instances of its routes, at most 200 at a time, and delays no trouble of others', async () => {
  const world = simulatedForwarder([namespace], config)
  const names = Array.from({ length: 1_000 }, (_, index) => `team-${index}`)
  const others = settled('other')
  await world.begin(
    template(),
    gateway,
    ...names.flatMap(name => routed(name, 'accepted').all),
    ...others.all,
  )
  world.gone(gateway)
  await world.advance(1_000)
  expect(world.takeSent()).toHaveLength(200)
  world.see(pod(others.instance, false))
  await world.advance(600)
  expect(world.takeSent()).toEqual(['pod other'])
  await world.end()
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
  expect([...world.handlers.keys()]).not.toContain('HTTPRoute')
  const { all } = routed('team-1', 'accepted')
  await world.begin(template(), ...all.filter(each => each.kind !== 'HTTPRoute'))
  await world.advance(60_000)
  expect(world.takeSent()).toEqual([])
  await world.end()
})
