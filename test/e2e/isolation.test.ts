import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Placement } from '../../lib/crd/challenge-template.ts'
import type { Challenge } from './support/challenges.ts'
import type { PodContainer } from './support/execute.ts'
import type { Target } from './support/packets.ts'
import { ports, type RunningPod } from './support/probe-pod.ts'
import { needs, openWorld, placements, type World, workload } from './support/world.ts'

const profiles = ['isolated-egress-dns-only', 'egress-allowlist', 'open'] as const

const templateName = (profile: string, placement: Placement) => `${profile}-${placement.toLowerCase()}`

/** Where an attacker runs. The victims are instances of the first namespace and of the event 1. */
const places: [words: string, placement: Placement, namespaceIndex: 0 | 1, event: number][] = [
  ['the namespace of the instances', 'Shared', 0, 1],
  ['another namespace of instances', 'Shared', 1, 1],
  ['the namespace of the event', 'Event', 0, 1],
  ['the namespace of another event', 'Event', 0, 2],
  ['a namespace of its own', 'Instance', 0, 1],
]

/** The port of a container that listens on it without declaring it. */
const undeclaredPort = 9090

let world: World
let platform: RunningPod
/** The challenges that the others try to reach, one of each placement. */
let victims: Map<Placement, Challenge>

beforeAll(async () => {
  const templates = profiles.flatMap(profile => placements.map(each => templateName(profile, each)))
  world = await openWorld({ purpose: 'isolation', templates, everyPlacement: true })
  const { challenges, namespaces } = world
  const backstage = {
    name: 'backstage',
    image: workload().image ?? '',
    args: ['netexec', `--http-port=${undeclaredPort}`, '--udp-port=-1'],
    resources: { cpu: '50m', memory: '64Mi' },
  }
  for (const namespace of namespaces)
    for (const networkProfile of profiles)
      for (const placement of placements)
        await challenges.applyTemplate(
          namespace,
          templateName(networkProfile, placement),
          workload({ networkProfile, placement, containers: [backstage] }),
        )
  const startVictim = async (placement: Placement) => {
    const at = { namespace: namespaces[0], name: `victim-${placement.toLowerCase()}` }
    const owner = { template: templateName('open', placement), team: 1 }
    return [placement, await challenges.start(at, owner)] as const
  }
  platform = await world.startProbe('platform')
  victims = new Map(await Promise.all(placements.map(startVictim)))
})
afterAll(() => world?.close())

function victimOf(placement: Placement): Challenge {
  const victim = victims.get(placement)
  if (victim === undefined) throw new Error(`no challenge with the placement ${placement} has started`)
  return victim
}

/** The declared ports of a challenge at these addresses. */
const declaredAt = (addresses: readonly string[]): Target[] =>
  addresses.flatMap(host => [
    { host, port: ports.tcp },
    { host, port: ports.udp, protocol: 'udp' as const },
  ])
const undeclaredAt = (addresses: readonly string[]): Target[] =>
  addresses.map(host => ({ host, port: undeclaredPort }))

/** The host and port of a challenge's URL. */
function urlOf({ instance }: Challenge): Target {
  const { hostname, port } = new URL(instance.status?.url ?? '')
  return { host: hostname, port: Number(port) }
}

const expectOpen = (from: PodContainer, targets: readonly Target[]) =>
  Promise.all(targets.map(target => world.packets.expectOpen(from, target)))
const expectClosed = (from: PodContainer, targets: readonly Target[]) =>
  Promise.all(targets.map(target => world.packets.expectClosed(from, target)))

const isIPv6 = (address: string) => address.includes(':')

describe.each(placements)('a challenge with the placement %s', placement => {
  test('runs in the namespace that the placement gives it', () => {
    const { namespace, pod } = victimOf(placement)
    if (placement === 'Shared') expect(pod.namespace).toBe(namespace)
    else expect(pod.namespace.startsWith(world.namespacePrefix)).toBe(true)
    expect(new Set(placements.map(each => victimOf(each).pod.namespace)).size).toBe(placements.length)
  })

  test('is reached by the platform by its pod and by its Service, by TCP and by UDP', async () => {
    const { pod, serviceAddresses } = victimOf(placement)
    await expectOpen(platform, declaredAt([...pod.addresses, ...serviceAddresses]))
  })

  test('is reached by the platform by the host of its URL', async () => {
    await expectOpen(platform, [urlOf(victimOf(placement))])
  })

  test('is not reached by the platform on a port that the template does not declare', async context => {
    needs(context, 'policies')
    const { pod } = victimOf(placement)
    // The container itself reaches it, so something listens there.
    await expectOpen(pod, undeclaredAt(pod.addresses))
    await expectClosed(platform, undeclaredAt(pod.addresses))
  })

  test('does not reach the platform', async context => {
    needs(context, 'policies')
    const targets = declaredAt(platform.addresses)
    const other = await world.startProbe(`other-${placement.toLowerCase()}`)
    await expectOpen(other, targets)
    await expectClosed(victimOf(placement).pod, targets)
  })
})

describe.each(profiles)('a team with the profile %s', profile => {
  // Most of the time is spent on waiting for answers that do not come.
  describe.concurrent.each(places)('in %s (%s)', (_, placement, namespaceIndex, event) => {
    let attacker: Challenge
    beforeAll(async () => {
      const template = templateName(profile, placement)
      const at = {
        namespace: world.namespaces[namespaceIndex],
        name: `attacker-${profiles.indexOf(profile)}-${placement.toLowerCase()}-${namespaceIndex}${event}`,
      }
      attacker = await world.challenges.start(at, { template, team: 2, event })
    })
    // A small cluster has no room for the attackers of all profiles at once.
    afterAll(() => world.challenges.delete(attacker))

    // The profile open allows what the others allow, so it alone is tried against every placement.
    const ofVictims = (targetsOf: (victim: Challenge) => readonly Target[]) =>
      (profile === 'open' ? placements : [placement]).map(victimOf).flatMap(targetsOf)

    test('does not reach another team by the address of its pod', async context => {
      needs(context, 'policies')
      const targets = ofVictims(({ pod }) => declaredAt(pod.addresses.filter(each => !isIPv6(each))))
      await expectClosed(attacker.pod, targets)
    })

    test('does not reach another team by the address of its Service', async context => {
      needs(context, 'policies')
      await expectClosed(
        attacker.pod,
        ofVictims(({ serviceAddresses }) => declaredAt(serviceAddresses)),
      )
    })

    test('does not reach another team by the name of its Service', async context => {
      needs(context, 'policies')
      await expectClosed(
        attacker.pod,
        ofVictims(victim => [urlOf(victim)]),
      )
    })

    test('does not reach another team by IPv6', async context => {
      needs(context, 'policies', 'ipv6')
      const targets = ofVictims(({ pod }) => declaredAt(pod.addresses.filter(isIPv6)))
      await expectOpen(platform, targets)
      await expectClosed(attacker.pod, targets)
    })
  })

  test('is kept from teams that the platform still reaches', async () => {
    const all = placements.map(victimOf)
    await expectOpen(
      platform,
      all.flatMap(({ pod, serviceAddresses }) => declaredAt([...pod.addresses, ...serviceAddresses])),
    )
  })
})
