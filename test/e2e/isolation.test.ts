import { afterAll, beforeAll, describe, test } from 'vitest'
import type { Challenge } from './support/challenges.ts'
import type { PodContainer } from './support/execute.ts'
import type { Target } from './support/packets.ts'
import { ports, type RunningPod } from './support/probe-pod.ts'
import { needs, openWorld, type World, workload } from './support/world.ts'

const profiles = ['isolated-egress-dns-only', 'egress-allowlist', 'open'] as const

/** The port of a container that listens on it without declaring it. */
const undeclaredPort = 9090

let world: World
/** The challenge that the others try to reach. */
let victim: Challenge
let platform: RunningPod

beforeAll(async () => {
  world = await openWorld({ purpose: 'isolation', templates: [...profiles] })
  const { challenges, namespaces } = world
  const backstage = {
    name: 'backstage',
    image: workload().image ?? '',
    args: ['netexec', `--http-port=${undeclaredPort}`, '--udp-port=-1'],
    resources: { cpu: '50m', memory: '64Mi' },
  }
  for (const namespace of namespaces)
    for (const networkProfile of profiles)
      await challenges.applyTemplate(
        namespace,
        networkProfile,
        workload({ networkProfile, containers: [backstage] }),
      )
  const owner = { template: 'open', team: 1 }
  ;[victim, platform] = await Promise.all([
    challenges.start({ namespace: namespaces[0], name: 'victim' }, owner),
    world.startProbe('platform'),
  ])
})
afterAll(() => world?.close())

/** The declared ports of a challenge at these addresses, and the undeclared one. */
function portsAt(addresses: readonly string[]): { declared: Target[]; undeclared: Target[] } {
  return {
    declared: addresses.flatMap(host => [
      { host, port: ports.tcp },
      { host, port: ports.udp, protocol: 'udp' as const },
    ]),
    undeclared: addresses.map(host => ({ host, port: undeclaredPort })),
  }
}

const expectOpen = (from: PodContainer, targets: readonly Target[]) =>
  Promise.all(targets.map(target => world.packets.expectOpen(from, target)))
const expectClosed = (from: PodContainer, targets: readonly Target[]) =>
  Promise.all(targets.map(target => world.packets.expectClosed(from, target)))

const isIPv6 = (address: string) => address.includes(':')

describe('the platform', () => {
  test('reaches a challenge by its pod and by its Service, by TCP and by UDP', async () => {
    await expectOpen(platform, portsAt([...victim.pod.addresses, ...victim.serviceAddresses]).declared)
  })

  test('reaches a challenge by the host of its URL', async () => {
    const { hostname, port } = new URL(victim.instance.status?.url ?? '')
    await world.packets.expectOpen(platform, { host: hostname, port: Number(port) })
  })

  test('does not reach a port that the template does not declare', async context => {
    needs(context, 'policies')
    // The container itself reaches it, so something listens there.
    await expectOpen(victim.pod, portsAt(victim.pod.addresses).undeclared)
    await expectClosed(platform, portsAt(victim.pod.addresses).undeclared)
  })

  test('is reached by no challenge, whatever its profile', async context => {
    needs(context, 'policies')
    const targets = portsAt(platform.addresses).declared
    const other = await world.startProbe('other')
    await expectOpen(other, targets)
    await expectClosed(victim.pod, targets)
  })
})

// Most of the time is spent on waiting for answers that do not come.
describe.concurrent.each(profiles)('a team with the profile %s', template => {
  describe.each([
    ['of the same namespace', 0],
    ['of another namespace', 1],
  ] as const)('does not reach a team %s', (_, index) => {
    let attacker: Challenge
    beforeAll(async () => {
      const at = {
        namespace: world.namespaces[index],
        name: `attacker-${index}-${profiles.indexOf(template)}`,
      }
      attacker = await world.challenges.start(at, { template, team: 2 })
    })

    test('by the address of its pod', async context => {
      needs(context, 'policies')
      await expectClosed(attacker.pod, portsAt(victim.pod.addresses.filter(each => !isIPv6(each))).declared)
    })

    test('by the address of its Service', async context => {
      needs(context, 'policies')
      await expectClosed(attacker.pod, portsAt(victim.serviceAddresses).declared)
    })

    test('by the name of its Service', async context => {
      needs(context, 'policies')
      const { hostname, port } = new URL(victim.instance.status?.url ?? '')
      await expectClosed(attacker.pod, [{ host: hostname, port: Number(port) }])
    })

    test('by IPv6', async context => {
      needs(context, 'policies', 'ipv6')
      const targets = portsAt(victim.pod.addresses.filter(isIPv6)).declared
      await expectOpen(platform, targets)
      await expectClosed(attacker.pod, targets)
    })

    test('while the platform still does', async () => {
      await expectOpen(platform, portsAt([...victim.pod.addresses, ...victim.serviceAddresses]).declared)
    })
  })
})
