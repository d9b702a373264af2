import { X509Certificate } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { ChallengeInstance, Endpoint } from '../../lib/crd/challenge-instance.ts'
import type { ExposureType, NetworkProfile, Placement } from '../../lib/crd/challenge-template.ts'
import { labels } from '../../lib/crd/group.ts'
import type { Challenge } from './support/challenges.ts'
import { type Forward, openForward } from './support/forward.ts'
import type { Target } from './support/packets.ts'
import { certificateOf, getByHost } from './support/player.ts'
import { ports, type RunningPod } from './support/probe-pod.ts'
import type { Ability } from './support/variables.ts'
import { needs, openWorld, placements, type World, workload } from './support/world.ts'

const domain = 'ctf.example.com'
const profiles = ['isolated-egress-dns-only', 'egress-allowlist', 'open'] as const satisfies NetworkProfile[]

const templateName = (kind: string, placement: Placement) => `${kind}-${placement.toLowerCase()}`

/** The ability that a type needs. */
const abilityOf = {
  Ingress: 'ingress',
  HTTPRoute: 'http-route',
  TLSRoute: 'tls-route',
  NodePort: 'node-port',
  LoadBalancer: 'load-balancer',
} as const satisfies Partial<Record<ExposureType, Ability>>
type Exposing = keyof typeof abilityOf

/** Collections in which something that exposes an instance may be. */
const exposing = {
  Ingress: '/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses',
  HTTPRoute: '/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/httproutes',
  'TLSRoute v1': '/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/tlsroutes',
  'TLSRoute v1alpha3': '/apis/gateway.networking.k8s.io/v1alpha3/namespaces/{namespace}/tlsroutes',
  'TLSRoute v1alpha2': '/apis/gateway.networking.k8s.io/v1alpha2/namespaces/{namespace}/tlsroutes',
  Service: '/api/v1/namespaces/{namespace}/services',
}

/** Time in which a controller takes up a route, or drops it. */
const routedMs = 60_000

const suite = inject('suite')
const controllers = [suite.ingress?.service.namespace, suite.gateway?.service.namespace]
/** A controller that the cluster lacks is not used: the tests that need it are skipped. */
const nowhere = { namespace: 'none', name: 'none' }
const ingressService = suite.ingress?.service ?? nowhere
const gatewayService = suite.gateway?.service ?? nowhere

let world: World
let forward: Forward
let platform: RunningPod

beforeAll(async () => {
  world = await openWorld({
    purpose: 'exposure',
    templates: placements.flatMap(placement =>
      ['web', 'udp', 'secure', 'moving', ...profiles].map(each => templateName(each, placement)),
    ),
    everyPlacement: true,
    env: namespaces => ({
      OPERATOR_DOMAIN: domain,
      OPERATOR_PUBLIC_PORTS: 'http=80',
      // Controllers on the network of a node come from its address.
      OPERATOR_INGRESS_NAMESPACES: [...new Set([...controllers, namespaces.platform])]
        .filter(Boolean)
        .join(','),
      ...(suite.ingress && { OPERATOR_INGRESS_CLASS: suite.ingress.className }),
      ...(suite.gateway && {
        OPERATOR_GATEWAY: `${suite.gateway.gateway.namespace}/${suite.gateway.gateway.name}`,
      }),
    }),
  })
  forward = openForward(suite.kubeconfig, world.client, world.signal)
  platform = await world.startProbe('platform')
})
afterAll(() => world?.close())

/** Each instance has a name of its own: a test that fails leaves its instance to the end of the file. */
let started = 0

type ExposedSpec = NonNullable<Parameters<typeof workload>[0]> & { port?: string; placement: Placement }

/** Starts an instance of a template of its own, exposed in this way. */
async function startExposed(kind: string, type: ExposureType, spec: ExposedSpec): Promise<Challenge> {
  const { port, ...rest } = spec
  const namespace = world.namespaces[0]
  const template = templateName(kind, spec.placement)
  const exposure = { type, ...(port && { port }) }
  await world.challenges.applyTemplate(namespace, template, workload({ ...rest, exposure }))
  started += 1
  return world.challenges.start({ namespace, name: `${kind}-${started}` }, { template, team: 1 })
}

function hostOf({ instance }: Pick<Challenge, 'instance'>): string {
  return new URL(instance.status?.url ?? '').hostname
}

/** The node port of a challenge at the node of its pod. The host of its URL leads there for players. */
function nodePort({ instance, pod }: Challenge, protocol: 'tcp' | 'udp'): Target {
  const endpoint = instance.status?.endpoints?.find((each: Endpoint) => each.host === domain)
  return { host: pod.node, port: Number(endpoint?.port), protocol }
}

async function expectServed(of: Challenge, service: typeof ingressService): Promise<void> {
  const ask = async () => getByHost(forward, service, { host: hostOf(of), path: '/hostname' })
  await expect.poll(ask, { timeout: routedMs }).toEqual({ status: 200, body: of.pod.pod })
}

/** By kind, the names of what exposes an instance. The instance's own Service is left out. */
async function exposingObjects({ pod, name, instance }: Challenge): Promise<Record<string, string[]>> {
  const selector = encodeURIComponent(`${labels.instanceUid}=${instance.metadata.uid}`)
  const found = Object.entries(exposing).map(async ([kind, path]) => {
    const collection = `${path.replace('{namespace}', pod.namespace)}?labelSelector=${selector}`
    const { status, body } = await world.client.request('GET', collection, {}, world.signal)
    const { items = [] } = status === 200 ? (body as { items?: { metadata: { name: string } }[] }) : {}
    const names = items
      .map(({ metadata }) => metadata.name)
      .filter(each => kind !== 'Service' || each !== name)
    return [kind.split(' ')[0] ?? kind, names] as const
  })
  const listed = (await Promise.all(found)).filter(([, names]) => names.length > 0)
  return Object.fromEntries(listed)
}

const isExposed = ({ status }: ChallengeInstance) =>
  status?.conditions?.some(each => each.type === 'Exposed' && each.status === 'True') ?? false

/** The types that the cluster has, of these. */
function available(...types: Exposing[]): Exposing[] {
  return types.filter(type => suite.abilities.includes(abilityOf[type]))
}

describe.each(placements)('a challenge behind a controller, placed as %s', placement => {
  test.for([
    ['Ingress', ingressService],
    ['HTTPRoute', gatewayService],
  ] as const)(
    'is reached by its host through an %s, and by no other one',
    async ([type, service], context) => {
      needs(context, abilityOf[type])
      const web = await startExposed('web', type, { placement })
      expect(web.pod.namespace === web.namespace).toBe(placement === 'Shared')
      expect(hostOf(web)).toMatch(new RegExp(`^${web.name}-[0-9a-f]{16}\\.ctf\\.example\\.com$`))
      expect(web.instance.status?.url).toBe(`http://${hostOf(web)}`)
      await expectServed(web, service)
      const guessed = await getByHost(forward, service, { host: `${web.name}.${domain}`, path: '/hostname' })
      expect(guessed.status).not.toBe(200)

      await world.challenges.delete(web)
      await world.challenges.untilGone(web)
      expect(await exposingObjects(web)).toEqual({})
      const ask = async () => (await getByHost(forward, service, { host: hostOf(web), path: '/' })).status
      await expect.poll(ask, { timeout: routedMs }).toBe(404)
    },
  )

  test('shows its own certificate to a player who comes by TLSRoute', async context => {
    needs(context, 'tls-route')
    const secure = await startExposed('secure', 'TLSRoute', {
      placement,
      args: [
        'netexec',
        `--http-port=${ports.tcp}`,
        '--udp-port=-1',
        '--tls-cert-file=/localhost.crt',
        '--tls-private-key-file=/localhost.key',
      ],
      ports: [{ name: 'tls', port: ports.tcp, appProtocol: 'tls' }],
    })
    const own = new X509Certificate(await world.packets.readFile(secure.pod, '/localhost.crt'))
    const seen = async () => (await certificateOf(forward, gatewayService, hostOf(secure)))?.toString('hex')
    await expect.poll(seen, { timeout: routedMs }).toBe(own.raw.toString('hex'))
    expect(await certificateOf(forward, gatewayService, `${secure.name}.${domain}`)).not.toEqual(own.raw)
  })

  test('lets its controller and the platform in, and nobody else', async context => {
    needs(context, 'policies', 'ingress')
    const web = await startExposed('web', 'Ingress', { placement })
    const other = await world.startProbe(`other-${placement.toLowerCase()}`, world.namespaces[1])
    await expectServed(web, ingressService)
    for (const host of [...web.pod.addresses, ...web.serviceAddresses]) {
      await world.packets.expectOpen(platform, { host, port: ports.tcp })
      await world.packets.expectClosed(other, { host, port: ports.tcp })
    }
    await world.challenges.delete(web)
    await world.challenges.untilGone(web)
  })
})

describe.each(placements)('a challenge at a node port, placed as %s', placement => {
  test('is reached by UDP, on the exposed port alone', async context => {
    needs(context, 'node-port')
    const udp = await startExposed('udp', 'NodePort', { placement, port: 'udp' })
    expect(udp.instance.status?.url).toMatch(/^udp:\/\/ctf\.example\.com:\d+$/)
    await world.packets.expectOpen(platform, nodePort(udp, 'udp'))
    await world.packets.expectClosed(platform, nodePort(udp, 'tcp'))
    await world.challenges.delete(udp)
    await world.challenges.untilGone(udp)
    expect(await exposingObjects(udp)).toEqual({})
  })

  describe.concurrent.each(profiles)('with the profile %s', profile => {
    test('is reached by TCP from outside, and by no other team through its node port', async context => {
      needs(context, 'node-port', 'policies')
      const spec = { placement, networkProfile: profile }
      const victim = await startExposed(profile, 'NodePort', spec)
      const target = nodePort(victim, 'tcp')
      await world.packets.expectOpen(platform, target)
      const attackers = await Promise.all(
        world.namespaces.map(async namespace => {
          const template = templateName(profile, placement)
          if (namespace !== victim.namespace)
            await world.challenges.applyTemplate(namespace, template, workload(spec))
          // With the placement Event the one in the other namespace of instances is of another event.
          const index = world.namespaces.indexOf(namespace)
          const at = { namespace, name: `attacker-${index}-${templateName(profile, placement)}` }
          return world.challenges.start(at, { template, team: 2, event: index + 1 })
        }),
      )
      const inside = [...victim.pod.addresses, ...victim.serviceAddresses]
      const targets = [target, ...inside.map(host => ({ host, port: ports.tcp }))]
      await Promise.all(
        attackers.flatMap(({ pod }) => targets.map(each => world.packets.expectClosed(pod, each))),
      )
      await world.packets.expectOpen(platform, target)
      await Promise.all([victim, ...attackers].map(each => world.challenges.delete(each)))
    })
  })
})

describe.each(placements)('a challenge behind a load balancer, placed as %s', placement => {
  test('is reached by its address', async context => {
    needs(context, 'load-balancer')
    const web = await startExposed('web', 'LoadBalancer', { placement })
    const { hostname, port } = new URL(web.instance.status?.url ?? '')
    await world.packets.expectOpen(platform, { host: hostname, port: Number(port) })
    await world.challenges.delete(web)
    await world.challenges.untilGone(web)
    expect(await exposingObjects(web)).toEqual({})
  })
})

/** The status that a player gets who asks for a host. */
async function statusOf(host: string, type: 'Ingress' | 'HTTPRoute'): Promise<number> {
  const service = type === 'Ingress' ? ingressService : gatewayService
  return (await getByHost(forward, service, { host, path: '/' })).status
}

/** Waits until players get through. The challenge speaks no TLS, so nothing comes of a TLSRoute. */
async function expectReached(challenge: Challenge, type: Exposing): Promise<void> {
  if (type === 'NodePort') await world.packets.expectOpen(platform, nodePort(challenge, 'tcp'))
  if (type === 'Ingress' || type === 'HTTPRoute')
    await expect.poll(() => statusOf(hostOf(challenge), type), { timeout: routedMs }).toBe(200)
}

describe.each(placements)('a template with the placement %s whose exposure is edited', placement => {
  test('moves its instances to each type of the cluster, and leaves nothing of the former one', async context => {
    const types = available('Ingress', 'HTTPRoute', 'NodePort', 'TLSRoute')
    if (types.length < 2) context.skip('this cluster has fewer than two types of exposure')
    const template = templateName('moving', placement)
    const exposed = await startExposed('moving', types[0] ?? 'None', { placement })
    const { namespace, name } = exposed
    let moving = exposed
    for (const type of types) {
      await world.challenges.applyTemplate(namespace, template, workload({ placement, exposure: { type } }))
      const isThere = (instance: ChallengeInstance) =>
        instance.status?.exposure?.type === type && isExposed(instance)
      moving = { ...moving, instance: await world.challenges.until({ namespace, name }, isThere) }
      const kind = type === 'NodePort' ? 'Service' : type
      await expect
        .poll(async () => Object.keys(await exposingObjects(moving)), { timeout: routedMs })
        .toEqual([kind])
      await expectReached(moving, type)
    }
    await world.challenges.applyTemplate(namespace, template, workload({ placement }))
    await world.challenges.until({ namespace, name }, each => each.status?.exposure === undefined)
    await expect.poll(() => exposingObjects(moving), { timeout: routedMs }).toEqual({})
    for (const type of types.filter(each => each === 'Ingress' || each === 'HTTPRoute'))
      await expect.poll(() => statusOf(hostOf(exposed), type), { timeout: routedMs }).toBe(404)
    await world.challenges.delete(moving)
    await world.challenges.untilGone(moving)
  })
})
