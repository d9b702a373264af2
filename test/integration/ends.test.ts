import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ChallengeInstance, ChallengeInstanceSpec } from '../../lib/crd/challenge-instance.ts'
import { annotations } from '../../lib/crd/group.ts'
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
  operator = await startTestOperator()
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
})
