import { describe, expect, it } from 'vitest'
import { takeUp } from '../../../lib/clock/kept.ts'
import { clockName, clockStateName } from '../../../lib/clock/state.ts'
import { noClock } from '../../../lib/clock/version.ts'
import type { ChallengeInstance } from '../../../lib/crd/challenge-instance.ts'
import { annotations } from '../../../lib/crd/group.ts'
import type { ConfigMap, Stored } from '../../../lib/crd/objects.ts'
import { policyName } from '../../../lib/desired/identity.ts'
import { policyRules } from '../../../lib/desired/policy-rules.ts'
import { rfc3339 } from '../../../lib/lifetime.ts'
import { storedTemplate } from '../../support/objects.ts'
import { presentSettings, simulatedForwarder } from './simulated-forwarder.ts'
import { start } from './virtual-time.ts'
import {
  instance,
  namespace,
  needing,
  nextVersion,
  settled,
  sharedPolicyOf,
  standingPolicy,
  template,
  withStatus,
} from './watched-objects.ts'

/** The instances of these tests were created before. */
const at = '2026-11-21T08:00:00Z'
const now = Date.parse('2026-11-22T08:00:00Z')

function stored(name: string, parts: Pick<ConfigMap, 'data' | 'metadata'>): Stored<ConfigMap> {
  const metadata = { namespace, name, uid: name, resourceVersion: nextVersion(), creationTimestamp: at }
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    ...parts,
    metadata: { ...parts.metadata, ...metadata },
  } as Stored<ConfigMap>
}

/** The organiser's ConfigMap. */
const order = (data: Record<string, string>) => stored(clockName, { metadata: {}, data })

/** The state that the operator keeps of it. */
function keptOf(source: Stored<ConfigMap>): Stored<ConfigMap> {
  const taken = takeUp(namespace, source, undefined, now)
  if (taken === undefined) throw new Error('nothing to keep')
  return stored(clockStateName, taken.kept)
}

/** Both ConfigMaps after the order was taken up. */
function takenUp(data: Record<string, string>): Stored<ConfigMap>[] {
  const source = order(data)
  return [source, keptOf(source)]
}

const credit = (minutes: number) => ({ credits: `[{id: c${minutes}, minutes: ${minutes}, at: ${at}}]` })

describe('the message for the clock', () => {
  it('is sent while the state does not follow the ConfigMap, and again if it seems lost', async () => {
    const world = simulatedForwarder()
    await world.begin()
    expect(world.takeSent()).toEqual([])
    const source = order({ paused: 'true' })
    world.see(source)
    await world.advance()
    expect(world.sent.map(({ change }) => change)).toMatchObject([
      { kind: 'Clock', namespace, name: clockName, cause: 'changed' },
    ])
    await world.advance(4_999)
    expect(world.sent).toHaveLength(1)
    await world.advance(1)
    expect(new Set(world.sent.map(each => each.deduplicationId)).size).toBe(2)
    world.takeSent()
    world.see(keptOf(source))
    await world.advance(600_000)
    expect(world.takeSent()).toEqual([])
    await world.end()
  })

  it('is sent for a ConfigMap that is gone, and for a state that somebody has deleted or spoilt', async () => {
    const world = simulatedForwarder()
    const [source, kept] = takenUp({ paused: 'true' }) as [Stored<ConfigMap>, Stored<ConfigMap>]
    await world.begin(source, kept)
    expect(world.takeSent()).toEqual([])
    for (const change of [
      () => world.gone(source),
      () => world.see(stored(clockStateName, { ...kept, data: { credits: 'x' } })),
      () => world.gone(kept),
    ]) {
      change()
      await world.advance()
      expect(world.takeSent()).toEqual([`changed ${clockName}`])
      world.see(source, kept)
      await world.advance()
    }
    await world.end()
  })

  it('is sent by the leader alone', async () => {
    const world = simulatedForwarder()
    await world.advance()
    world.listed()
    world.see(order({ paused: 'true' }))
    await world.advance(60_000)
    expect(world.takeSent()).toEqual([])
    world.lead()
    await world.advance()
    expect(world.takeSent()).toEqual([`changed ${clockName}`])
    await world.end()
  })
})

it('every message carries the version of the state', async () => {
  const world = simulatedForwarder()
  await world.begin(template(), instance('a'))
  const [, kept] = takenUp({}) as [Stored<ConfigMap>, Stored<ConfigMap>]
  world.see(kept, instance('b'))
  await world.advance()
  const stamps = world.sent.filter(({ change }) => change.kind === undefined)
  expect(stamps.map(({ change }) => change.clock)).toEqual([noClock, kept.metadata.resourceVersion])
  await world.end()
})

describe('during a pause', () => {
  const over = (name: string) => settled(name, { expiresAt: rfc3339(start + 1_000) })

  it('who has nothing to be told gets no message, and after it everything that was held back', async () => {
    const world = simulatedForwarder()
    const { instance: team, children, pod: running } = settled()
    await world.begin(template(), team, ...children, running, ...takenUp({ paused: 'true' }))
    world.gone(running)
    world.see(template(2))
    await world.advance(3_600_000)
    expect(world.takeSent()).toEqual([])
    world.see(...takenUp({}))
    await world.advance()
    expect(world.takeSent()).toEqual(['template team-1'])
    await world.end()
  })

  it('who would be created, changed or ended is told once', async () => {
    const world = simulatedForwarder()
    const changed = settled('b')
    const ended = over('c')
    await world.begin(template(), instance('a'), ...changed.all, ...ended.all, ...takenUp({ paused: 'true' }))
    const [service] = changed.children.filter(({ kind }) => kind === 'Service')
    world.gone(service as Stored<ConfigMap>)
    await world.advance(5_000)
    expect(world.takeSent().sort()).toEqual(['changed a', 'child b', 'expiry c'])
    const told = (each: Stored<ChallengeInstance>) => withStatus(each, { ...each.status, reason: 'Paused' })
    const all = [
      withStatus(instance('a'), { reason: 'Paused' }),
      told(changed.instance),
      told(ended.instance),
    ]
    // The status of an instance without children tells by a condition which generation it is about.
    const stalled = {
      type: 'Stalled',
      status: 'True' as const,
      reason: 'Paused',
      message: '',
      observedGeneration: 1,
    }
    const [first, ...others] = all as [Stored<ChallengeInstance>, ...Stored<ChallengeInstance>[]]
    const conditions = [{ ...stalled, lastTransitionTime: at }] as const
    world.see(withStatus(first, { ...first.status, conditions: [...conditions] }), ...others)
    await world.advance(3_600_000)
    expect(world.takeSent()).toEqual([])
    world.see(...takenUp({}))
    await world.advance()
    expect(world.takeSent().sort()).toEqual(['changed a', 'changed b', 'expiry c'])
    await world.end()
  })

  it('a deletion by a person goes on', async () => {
    const world = simulatedForwarder()
    const { instance: team, children } = settled()
    await world.begin(template(), team, ...children, ...takenUp({ paused: 'true' }))
    const metadata = { ...team.metadata, resourceVersion: nextVersion(), deletionTimestamp: at }
    world.see({ ...team, metadata })
    await world.advance()
    expect(world.takeSent()).toEqual(['deleted team-1'])
    await world.end()
  })
})

describe('a lockdown', () => {
  const { spec } = storedTemplate()
  const policy = policyName(policyRules(spec))

  it('of 1,000 instances sends each shared policy once, and again at its end, and wakes no instance', async () => {
    const world = simulatedForwarder()
    const open = sharedPolicyOf(spec)
    const closed = sharedPolicyOf(spec, { spec: { ingress: [], egress: [] } })
    const needs = Array.from({ length: 1_000 }, (_, team) => needing(settled(`team-${team}`), policy))
    await world.begin(template(), ...needs.flat(), open)
    expect(world.takeSent()).toEqual([])
    world.see(...takenUp({ lockdown: 'true' }))
    await world.advance()
    expect(world.takeSent()).toEqual([`drift ${policy}`])
    world.see(closed)
    await world.advance(60_000)
    expect(world.takeSent()).toEqual([])
    world.see(...takenUp({}))
    await world.advance()
    expect(world.takeSent()).toEqual([`drift ${policy}`])
    world.see(sharedPolicyOf(spec))
    await world.advance(3_600_000)
    expect(world.takeSent()).toEqual([])
    expect(world.warnings()).toEqual([])
    await world.end()
  })

  it('has its effect at once, however often it begins and ends, and a policy that is changed by hand is told', async () => {
    const world = simulatedForwarder()
    const closed = () => sharedPolicyOf(spec, { spec: { ingress: [], egress: [] } })
    await world.begin(template(), ...needing(settled('team-1'), policy), sharedPolicyOf(spec))
    for (let round = 0; round < 6; round++) {
      world.see(...takenUp({ lockdown: 'true' }))
      await world.advance()
      world.see(closed())
      world.see(...takenUp({}))
      await world.advance()
      world.see(sharedPolicyOf(spec))
      expect(world.takeSent()).toEqual([`drift ${policy}`, `drift ${policy}`])
    }
    expect(world.warnings()).toEqual([])
    world.see(sharedPolicyOf(spec, { spec: { ingress: [{}], egress: [{}] } }))
    await world.advance(60_000)
    expect(world.warnings()).toContain('shared policy is not as it was made')
    await world.end()
  })

  it('leaves a default-deny policy as it is', async () => {
    const world = simulatedForwarder()
    await world.begin(template(), ...settled().all, standingPolicy(), ...takenUp({ lockdown: 'true' }))
    await world.advance(60_000)
    // The instance has a policy of its own and no record of its settings, since an earlier release built it.
    expect(new Set(world.takeSent())).toEqual(new Set(['changed team-1']))
    await world.end()
  })

  it('reaches the policy of an instance’s own also while everything, or that instance, is paused', async () => {
    const world = simulatedForwarder()
    const { all, instance: team } = settled()
    const pausedTeam = {
      ...team.metadata,
      name: 'team-2',
      uid: 'team-2',
      annotations: { [annotations.paused]: 'true' },
    }
    const held = withStatus({ ...team, metadata: pausedTeam }, { ...team.status, reason: 'Paused' })
    await world.begin(template(), ...all, held, ...takenUp({ paused: 'true' }))
    await world.advance(60_000)
    world.takeSent()
    world.see(...takenUp({ paused: 'true', lockdown: 'true' }))
    await world.advance()
    expect(world.takeSent()).toEqual(expect.arrayContaining(['changed team-1', 'changed team-2']))
    await world.end()
  })

  it('sends an instance with a policy of its own at once, at the beginning and at the end', async () => {
    const world = simulatedForwarder()
    const { all, instance: team } = settled('team-1', { configuration: `${presentSettings}-own.-` })
    const ownPolicy = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', namespace, name: 'team-1' }
    const withPolicy = withStatus(team, {
      ...team.status,
      children: [...(team.status?.children ?? []), { ...ownPolicy, version: '1', hash: '' }],
    })
    const object = { apiVersion: ownPolicy.apiVersion, kind: ownPolicy.kind, metadata: all[1]?.metadata }
    expect(object.metadata).toBeDefined()
    await world.begin(template(), withPolicy, ...all.slice(1))
    world.takeSent()
    world.see(...takenUp({ lockdown: 'true' }))
    await world.advance()
    expect(world.takeSent()).toContain('changed team-1')
    await world.end()
  })
})

describe('credits', () => {
  const endsAt = (seconds: number) => rfc3339(start + seconds * 1_000)

  it('reach the statuses in turn, the soonest end first, and each once', async () => {
    const world = simulatedForwarder()
    const ending = (team: number, creditMinutes?: number) =>
      withStatus(instance(`team-${team}`), {
        ...{
          phase: 'Ready',
          observedGeneration: 1,
          template: { uid: 'template-1', generation: 1, hash: 'h' },
        },
        expiresAt: endsAt(20_000 - team + 60 * (creditMinutes ?? 0)),
        ...(creditMinutes && { creditMinutes }),
      })
    const many = Array.from({ length: 200 }, (_, team) => ending(team))
    await world.begin(template(), ...many)
    expect(world.takeSent()).toEqual([])
    world.see(...takenUp(credit(30)))
    const sent: string[] = []
    for (let second = 0; second < 10; second++) {
      await world.advance(1_000)
      const now = world.takeSent()
      expect(now.length).toBeLessThanOrEqual(26)
      sent.push(...now)
      world.see(...now.map(each => ending(Number(each.split('-')[1]), 30)))
    }
    expect(sent).toEqual(many.map((_, index) => `changed team-${199 - index}`))
    await world.end()
  })

  it('are not sent to whose status has them, nor to whom they do not choose', async () => {
    const world = simulatedForwarder()
    const ends = { expiresAt: endsAt(9_000) }
    const reported = settled('reported', { ...ends, creditMinutes: 30 })
    const endless = settled('endless')
    await world.begin(template(), ...reported.all, ...endless.all, ...takenUp(credit(30)))
    await world.advance(60_000)
    expect(world.takeSent()).toEqual([])
    const other = settled('other', ends)
    world.see(...other.all, ...takenUp({ credits: `[{id: x, minutes: 5, at: ${at}, event: 99}]` }))
    await world.advance(30_000)
    expect(world.takeSent()).toEqual(['changed reported'])
    await world.end()
  })

  it('that take minutes away end an instance at once', async () => {
    const world = simulatedForwarder()
    const { all } = settled('team-1', { expiresAt: endsAt(600) })
    await world.begin(template(), ...all)
    world.see(...takenUp(credit(-30)))
    await world.advance()
    expect(world.takeSent()[0]).toBe('expiry team-1')
    await world.end()
  })

  it('taken up by a pass end the waiting', async () => {
    const world = simulatedForwarder()
    const { all, instance: team } = settled('team-1', { expiresAt: endsAt(600) })
    await world.begin(template(), ...all)
    world.see(...takenUp(credit(30)))
    await world.advance(100)
    expect(world.takeSent()).toEqual(['changed team-1'])
    world.see(withStatus(team, { ...team.status, expiresAt: endsAt(2_400), creditMinutes: 30 }))
    await world.advance(2_000_000)
    expect(world.takeSent()).toEqual([])
    await world.end()
  })
})
