import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clockName } from '../../lib/clock/state.ts'
import type { ChallengeInstance, ChallengeInstanceSpec } from '../../lib/crd/challenge-instance.ts'
import { annotations } from '../../lib/crd/group.ts'
import type { ConfigMap, Named } from '../../lib/crd/objects.ts'
import { outboxOf } from '../support/consistency.ts'
import { untilEvent } from '../support/kubernetes-events.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import {
  eventually,
  phaseOf,
  referenceTo,
  startTestOperator,
  type TestOperator,
} from '../support/operator.ts'

let operator: TestOperator

beforeAll(async () => {
  operator = await startTestOperator({ env: { OPERATOR_WARN_MINUTES: '1' } })
  const envSchema = { properties: { LEVEL: { type: 'integer' } } }
  await operator.cluster.create(templateOf(operator.namespace, 'web', { envSchema }), operator.signal)
})
afterAll(() => operator?.stop())

const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1_000).toISOString()

/** As wide as a busy machine needs. What is missed comes at a recheck, after half a minute at the earliest. */
const inTimeMs = 15_000

/** @returns the end, in epoch milliseconds */
async function create(
  name: string,
  templateRef: string,
  spec: Partial<ChallengeInstanceSpec>,
  paused = false,
) {
  const { cluster, namespace, signal } = operator
  const expiresAt = inSeconds(6)
  const made = instanceOf(namespace, name, templateRef, 7, { expiresAt, ...spec })
  if (paused) made.metadata.annotations = { [annotations.paused]: 'true' }
  await cluster.create(made, signal)
  return Date.parse(expiresAt)
}

async function goneBy(name: string): Promise<number> {
  await eventually<ChallengeInstance>(operator, 'ChallengeInstance', name, found => found === undefined)
  return Date.now()
}

describe.concurrent('the end of an instance', () => {
  test.each([
    ['invalid-env', 'web', { env: { LEVEL: 'high' } }, 'Failed', 'EnvInvalid'],
    ['no-template', 'nowhere', {}, 'Pending', 'TemplateMissing'],
  ] as const)(
    'the instance %s ends in time although it was held from its first pass',
    async (name, template, spec, phase, reason) => {
      const end = await create(name, template, spec)
      const held = await phaseOf(operator, name, phase, reason)
      expect(Date.parse(held.status?.expiresAt ?? '')).toBe(end)
      expect((await goneBy(name)) - end).toBeLessThan(inTimeMs)
    },
  )

  test('the platform is warned of an end once, a minute before it, and again of the end that a renewal brings', async () => {
    const expiresAt = inSeconds(65)
    await create('warned', 'web', { expiresAt })
    const running = await phaseOf(operator, 'warned', 'Ready')
    // A busy machine may need longer for Ready than until the warning.
    if (Date.now() < Date.parse(expiresAt) - 60_000) expect(running.status?.warnedOf).toBeUndefined()
    const told = await eventually<ChallengeInstance>(
      operator,
      'ChallengeInstance',
      'warned',
      each => each?.status?.warnedOf !== undefined && each.status.warnedOf === each.status.expiresAt,
    )
    const later = inSeconds(600)
    const renewal = { op: 'replace', path: '/spec/expiresAt', value: later } as const
    await operator.cluster.patchJson(
      referenceTo(operator, 'ChallengeInstance', 'warned'),
      [renewal],
      operator.signal,
    )
    const isLater = (each?: ChallengeInstance) =>
      Date.parse(each?.status?.expiresAt ?? '') === Date.parse(later)
    const renewed = await eventually(operator, 'ChallengeInstance', 'warned', isLater)
    expect(renewed?.status?.warnedOf).toBeUndefined()
    const events = await outboxOf(operator, told?.metadata.uid ?? '')
    expect(events.filter(each => ['instance.expiring', 'instance.renewed'].includes(each))).toEqual([
      'instance.expiring',
      'instance.renewed',
    ])
  })

  test('a paused instance ends as soon as the pause does', async () => {
    const end = await create('paused', 'web', {}, true)
    const held = await phaseOf(operator, 'paused', 'Pending', 'Paused')
    expect(Date.parse(held.status?.expiresAt ?? '')).toBe(end)
    await new Promise(resolve => setTimeout(resolve, end + 3_000 - Date.now()))
    const { cluster, signal } = operator
    const still = await cluster.get(referenceTo(operator, 'ChallengeInstance', 'paused'), signal)
    expect(still?.metadata.deletionTimestamp).toBeUndefined()
    const resume = [{ op: 'remove', path: '/metadata/annotations' } as const]
    await cluster.patchJson(referenceTo(operator, 'ChallengeInstance', 'paused'), resume, signal)
    const resumedAt = Date.now()
    expect((await goneBy('paused')) - resumedAt).toBeLessThan(inTimeMs)
  })

  test.each(['spec', 'credit'] as const)(
    'an instance whose end is moved into the past by its %s has expired, and was not deleted by a person',
    async by => {
      const { cluster, namespace, signal } = operator
      const name = `moved-by-${by}`
      await cluster.create(templateOf(namespace, name), signal)
      await create(name, name, { expiresAt: inSeconds(600) })
      await phaseOf(operator, name, 'Ready')
      const past = inSeconds(-2)
      const credits = `[{id: minus, minutes: -30, at: "${inSeconds(0)}", template: ${name}}]`
      const clock = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: clockName, namespace } }
      const renewal = [{ op: 'replace', path: '/spec/expiresAt', value: past } as const]
      const instance = referenceTo(operator, 'ChallengeInstance', name)
      if (by === 'spec') await cluster.patchJson(instance, renewal, signal)
      else await cluster.create({ ...clock, data: { credits } } as Named<ConfigMap>, signal)
      await goneBy(name)
      const events = await untilEvent(operator, 'Expired', name)
      const note = events.find(({ reason }) => reason === 'Expired')?.note ?? ''
      const told = Date.parse(/over at (.*)\.$/.exec(note)?.[1] ?? '')
      expect(told).toBeLessThan(Date.now())
    },
  )
})
