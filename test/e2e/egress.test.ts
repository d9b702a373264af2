import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { ChallengeTemplateSpec } from '../../lib/crd/challenge-template.ts'
import type { Challenge } from './support/challenges.ts'
import type { Target } from './support/packets.ts'
import { ports, type RunningPod } from './support/probe-pod.ts'
import type { Ability } from './support/variables.ts'
import { needs, openWorld, placements, type World, workload } from './support/world.ts'

const suite = inject('suite')

/** By profile: what the template says, and the servers on the internet that it reaches. */
const profiles: Record<string, { spec: Partial<ChallengeTemplateSpec>; reaches: readonly Target[] }> = {
  'isolated-egress-dns-only': { spec: {}, reaches: [] },
  'egress-allowlist': {
    spec: {
      networkProfile: 'egress-allowlist',
      egressAllowlist: [{ cidr: `${suite.outside.host}/32`, ports: [{ port: suite.outside.port }] }],
    },
    reaches: [suite.outside],
  },
  open: { spec: { networkProfile: 'open' }, reaches: [suite.outside, suite.outsideOther] },
}

/** Each profile in each placement. The name is that of a template and of an instance. */
const cases = Object.entries(profiles).flatMap(([profile, { spec, reaches }]) =>
  placements.map(placement => ({
    profile,
    placement,
    name: `${profile}-${placement.toLowerCase()}`,
    spec: { ...spec, placement },
    reaches,
  })),
)

let world: World
let free: RunningPod
let platform: RunningPod
const challenges = new Map<string, Challenge>()

beforeAll(async () => {
  const templates = cases.map(({ name }) => name)
  world = await openWorld({ purpose: 'egress', templates, everyPlacement: true })
  const namespace = world.namespaces[0]
  const starting = cases.map(async ({ name, spec }) => {
    await world.challenges.applyTemplate(namespace, name, workload(spec))
    challenges.set(name, await world.challenges.start({ namespace, name }, { template: name, team: 1 }))
  })
  ;[free, platform] = await Promise.all([world.startProbe('free'), world.startProbe('platform'), ...starting])
})
afterAll(() => world?.close())

/** What no challenge reaches, each with the ability that a cluster needs to show it. */
const forbidden: [name: string, ability: Ability | undefined, targets: () => readonly Target[]][] = [
  ['the API server, by its Service and by its own address', 'api-server', () => suite.targets.apiServer],
  ['the kubelet of its node', 'node', () => [suite.targets.kubelet]],
  ['the metadata of the instance', 'metadata', () => [suite.targets.metadata]],
  [
    'a pod of the platform, which has a private address',
    undefined,
    () => platform.addresses.map(host => ({ host, port: ports.tcp })),
  ],
]

function podOf(name: string): RunningPod {
  const challenge = challenges.get(name)
  if (challenge === undefined) throw new Error(`${name} did not start`)
  return challenge.pod
}

// Most of the time is spent on waiting for answers that do not come.
describe.concurrent.each(cases)('a challenge with the profile $profile, placed as $placement', each => {
  const { name, reaches } = each
  const from = () => podOf(name)

  test('resolves names', async () => {
    // A name that exists ends in a connection or in none. agnhost tells a name that does not resolve from both.
    const host = `${name}.${from().namespace}.svc.cluster.local`
    expect(await world.packets.connect(from(), { host, port: ports.tcp })).not.toBe('DNS')
    expect(await world.packets.connect(from(), { host: 'no-such-name.invalid', port: 80 })).toBe('DNS')
  })

  test.for(forbidden)('does not reach %s', async ([, ability, targets], context) => {
    needs(context, 'policies', ...(ability ? [ability] : []))
    const { packets } = world
    await Promise.all(targets().map(target => packets.expectOpen(free, target)))
    await Promise.all(targets().map(target => packets.expectClosed(from(), target)))
  })

  test.for([
    ['E2E_OUTSIDE', suite.outside],
    ['E2E_OUTSIDE_OTHER', suite.outsideOther],
  ] as const)(`reaches ${reaches.length} of two servers on the internet: %s`, async ([, server], context) => {
    needs(context, 'policies', 'outside')
    await world.packets.expectOpen(free, server)
    if (reaches.includes(server)) await world.packets.expectOpen(from(), server)
    else await world.packets.expectClosed(from(), server)
  })
})

test('an allow list opens no other port of the same server', async context => {
  needs(context, 'policies', 'outside')
  const other = { ...suite.outside, port: 80 }
  context.skip(
    (await world.packets.connect(free, other)) !== 'open',
    'E2E_OUTSIDE does not answer on port 80',
  )
  await world.packets.expectClosed(podOf('egress-allowlist-shared'), other)
})
