import { describe, expect, it, test } from 'vitest'
import type { OutgoingChange } from '../../../lib/aws/queue-ports.ts'
import { parseOperatorConfig } from '../../../lib/config/operator.ts'
import { annotations, defaultDenyName } from '../../../lib/crd/group.ts'
import type { KubernetesObject, Stored } from '../../../lib/crd/objects.ts'
import { policyName } from '../../../lib/desired/identity.ts'
import { policyRules, policyRulesText } from '../../../lib/desired/policy-rules.ts'
import { storedTemplate } from '../../support/objects.ts'
import { simulatedForwarder } from './simulated-forwarder.ts'
import { needing, settled, sharedPolicyOf, standingPolicy, template } from './watched-objects.ts'

const denied = `drift ${defaultDenyName}`
const neededBy = (sent: readonly OutgoingChange[]) => sent.map(({ change }) => change.neededBy?.name)

const opened = () => standingPolicy({ ingress: [{}], egress: [{}] })

test('a default-deny policy that is opened by hand is sent at once, and wakes no instance', async () => {
  const world = simulatedForwarder()
  await world.begin(template(), ...settled('a').all, ...settled('b').all)
  await world.advance(60_000)
  expect(world.takeSent()).toEqual([])
  world.see(opened())
  await world.advance()
  expect(world.takeSent()).toEqual([denied])
  world.see(standingPolicy())
  await world.advance(3_600_000)
  expect(world.takeSent()).toEqual([])
  await world.end()
})

test('a default-deny policy that is deleted is sent after a second', async () => {
  const world = simulatedForwarder()
  await world.begin(template(), ...settled('a').all)
  world.gone(standingPolicy())
  await world.advance(999)
  expect(world.takeSent()).toEqual([])
  await world.advance(1)
  expect(world.takeSent()).toEqual([denied])
  await world.end()
})

test('a default-deny policy that was opened before the start is found at the start', async () => {
  const world = simulatedForwarder()
  await world.begin(template(), ...settled('a').all, opened())
  expect(world.takeSent()).toEqual([denied])
  await world.end()
})

test('a default-deny policy that comes after the first instance of a namespace causes no change', async () => {
  const world = simulatedForwarder()
  await world.begin(template())
  world.gone(standingPolicy())
  world.see(...settled('a').all)
  await world.advance(900)
  world.see(standingPolicy())
  await world.advance(60_000)
  expect(world.takeSent()).toEqual([])
  await world.end()
})

test('a default-deny policy that is open without an instance is found when one comes', async () => {
  const world = simulatedForwarder()
  await world.begin(template(), opened())
  await world.advance(60_000)
  expect(world.takeSent()).toEqual([])
  world.see(...settled('a').all)
  await world.advance()
  expect(world.takeSent()).toEqual([denied])
  await world.end()
})

test('a default-deny policy that stays open is sent again, with another instance that needs it each time', async () => {
  const world = simulatedForwarder()
  await world.begin(template(), ...settled('a').all, ...settled('b').all)
  world.see(opened())
  await world.advance(4_999)
  expect(neededBy(world.sent)).toEqual(['a'])
  await world.advance(10_001)
  expect(neededBy(world.sent)).toEqual(['a', 'b', 'a'])
  world.takeSent()
  await world.advance(3_600_000)
  expect(world.takeSent().length).toBeLessThanOrEqual(120)
  await world.end()
})

test('a default-deny policy that is opened again and again is repaired with growing pauses', async () => {
  const world = simulatedForwarder()
  await world.begin(template(), ...settled('a').all)
  const sentAfter: number[] = []
  for (let second = 0; second < 60; second++) {
    world.see(opened())
    await world.advance()
    if (world.takeSent().length > 0) sentAfter.push(second)
    world.see(standingPolicy())
    await world.advance(1_000)
  }
  expect(sentAfter).toEqual([0, 1, 3, 7, 15, 31])
  await world.end()
})

test('each of two changes within five minutes has a deduplication id of its own', async () => {
  const world = simulatedForwarder()
  await world.begin(template(), ...settled('a').all)
  for (let times = 0; times < 3; times++) {
    world.see(standingPolicy())
    world.gone(standingPolicy())
    await world.advance(20_000)
  }
  const ids = world.sent.map(each => each.deduplicationId)
  expect(ids.length).toBeGreaterThanOrEqual(3)
  expect(new Set(ids).size).toBe(ids.length)
  await world.end()
})

describe('a shared policy', () => {
  const { spec } = storedTemplate()
  const name = policyName(policyRules(spec))
  const wrong = `drift ${name}`
  const policy = (changed: Parameters<typeof sharedPolicyOf>[1] = {}) => sharedPolicyOf(spec, changed)
  const user = (of: string) => needing(settled(of), name)

  it('is sent by its own key when it is opened by hand, and no instance is woken', async () => {
    const world = simulatedForwarder()
    await world.begin(template(), policy(), ...user('a'), ...user('b'))
    await world.advance(60_000)
    expect(world.takeSent()).toEqual([])
    world.see(policy({ spec: { egress: [{}] } }))
    await world.advance()
    expect(world.sent.map(({ change }) => change)).toMatchObject([
      {
        kind: 'Policy',
        name,
        cause: 'drift',
        uid: 'shared-policy',
        neededBy: { namespace: 'ctf', name: 'a' },
      },
    ])
    world.takeSent()
    world.see(policy())
    await world.advance(3_600_000)
    expect(world.takeSent()).toEqual([])
    await world.end()
  })

  const open = policyRulesText(policyRules({ ...spec, networkProfile: 'open' }))
  it.each<[string, Parameters<typeof sharedPolicyOf>[1]]>([
    ['other rules in its annotation', { metadata: { annotations: { [annotations.policyRules]: open } } }],
    ['no rules in its annotation', { metadata: { annotations: {} } }],
    ['another label of ours', { metadata: { labels: {} } }],
    ['other pods that it selects', { spec: { podSelector: {} } }],
  ])('is sent when it has %s', async (_, changed) => {
    const world = simulatedForwarder()
    await world.begin(template(), policy(changed), ...user('a'))
    expect(world.takeSent()).toEqual([wrong])
    await world.end()
  })

  it('is left alone when others write on its metadata, or when it is marked as unused', async () => {
    const world = simulatedForwarder()
    const noted = policy()
    noted.metadata.annotations = { ...noted.metadata.annotations, [annotations.unusedSince]: 'x', note: 'y' }
    await world.begin(template(), noted, ...user('a'))
    await world.advance(60_000)
    expect(world.takeSent()).toEqual([])
    await world.end()
  })

  it('is sent a second after it is deleted, also if it was gone before the start', async () => {
    const world = simulatedForwarder()
    await world.begin(template(), ...user('a'))
    await world.advance(999)
    expect(world.takeSent()).toEqual([])
    await world.advance(1)
    expect(world.takeSent()).toEqual([wrong])
    world.see(policy())
    world.gone(policy())
    await world.advance(2_000)
    expect(world.takeSent()).toEqual([wrong])
    await world.end()
  })

  it('causes no change when its first pod is seen before it', async () => {
    const world = simulatedForwarder()
    await world.begin(template())
    world.see(...user('a'))
    await world.advance(900)
    world.see(policy())
    await world.advance(60_000)
    expect(world.takeSent()).toEqual([])
    await world.end()
  })

  it('is left alone while nothing needs it, and judged when something does', async () => {
    const world = simulatedForwarder()
    await world.begin(template(), policy({ spec: { ingress: [{}] } }), ...settled('other').all)
    await world.advance(60_000)
    expect(world.takeSent()).toEqual([])
    world.see(...user('a'))
    await world.advance()
    expect(world.takeSent()).toEqual([wrong])
    await world.end()
  })

  it('is sent once when the settings of the operator have changed, for any number of instances', async () => {
    const before = policy()
    const config = parseOperatorConfig({ OPERATOR_DNS: 'dns/app=dns' })
    const world = simulatedForwarder(['ctf'], config)
    const users = Array.from({ length: 50 }, (_, index) => user(`t${index}`)).flat()
    await world.begin(template(), before, ...users)
    expect(world.takeSent()).toEqual([wrong])
    world.see(sharedPolicyOf(spec, {}, config))
    await world.advance(3_600_000)
    expect(world.takeSent()).toEqual([])
    await world.end()
  })

  it('is judged in each namespace by itself', async () => {
    const world = simulatedForwarder('*')
    const elsewhere = (object: Stored<KubernetesObject>) => ({
      ...object,
      metadata: { ...object.metadata, namespace: 'elsewhere' },
    })
    await world.begin(template(), policy(), ...user('a'), elsewhere(policy({ spec: { egress: [{}] } })))
    await world.advance(60_000)
    expect(world.takeSent()).toEqual([])
    world.see(policy({ spec: { egress: [{}] } }))
    await world.advance()
    expect(world.sent.map(({ change }) => change.namespace)).toEqual(['ctf'])
    await world.end()
  })
})
