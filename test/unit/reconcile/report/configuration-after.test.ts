import { describe, expect, test } from 'vitest'
import type { ChallengeInstanceStatus } from '../../../../lib/crd/challenge-instance.ts'
import type { Configuration } from '../../../../lib/desired/configuration.ts'
import { configurationText, noKeys, recordedConfiguration } from '../../../../lib/observed/configuration.ts'
import { configurationAfter } from '../../../../lib/reconcile/report/configuration-after.ts'
import { storedInstance, storedTemplate } from '../../../support/objects.ts'
import { type Observation, observation } from '../observations.ts'

const present = { settings: 's2', settingsOfOwnPolicy: 's2-own', keys: 'k2' }
const withFlag = storedTemplate({ spec: { flagStrategy: { type: 'hmac-per-instance' } } })

type Options = Observation & {
  ready?: boolean
  observes?: boolean
  ownPolicy?: boolean
  keysUnknown?: boolean
  configuration?: Configuration
}

function recordAfter(
  before: string | undefined,
  {
    ready = true,
    observes = true,
    ownPolicy = false,
    keysUnknown = false,
    configuration = present,
    ...parts
  }: Options = {},
) {
  const status: ChallengeInstanceStatus = {
    ...(before !== undefined && { configuration: before }),
    conditions: [
      { type: 'Ready', status: ready ? 'True' : 'False', reason: 'x', message: '', lastTransitionTime: '' },
    ],
  }
  const template = { kind: 'read', template: withFlag } as const
  const observed = observation({ template, instance: storedInstance({ status }), ...parts })
  return recordedConfiguration(
    configurationAfter(observed, { configuration, observes, ownPolicy, keysUnknown }),
  )
}

const recorded = (settings: string, keys: string, served = false) =>
  configurationText({ settings, keys, served })

describe('the configuration in the status', () => {
  test('is that of the pass which considered it', () => {
    expect(recordAfter(undefined)).toEqual({ settings: 's2', keys: 'k2', served: false })
    expect(recordAfter(recorded('s1', 'k1'))).toMatchObject({ settings: 's2', keys: 'k2' })
  })

  test('keeps the FLAG_SECRET that made a flag which stays, and takes up the pepper', () => {
    const before = recorded('s2', '11111111aaaaaaaa')
    const keys = '22222222bbbbbbbb'
    const keysOf = (keptFlag: string | undefined) =>
      recordAfter(before, { keptFlag, configuration: { ...present, keys } })?.keys
    expect(keysOf('flag{x}')).toBe('11111111bbbbbbbb')
    expect(keysOf(undefined)).toBe(keys)
  })

  test('stays as it is while the keys cannot be read', () => {
    expect(recordAfter(recorded('s1', 'k1'), { keysUnknown: true })).toMatchObject({
      settings: 's2',
      keys: 'k1',
    })
    expect(recordAfter(undefined, { keysUnknown: true })?.keys).toBe(noKeys)
  })

  test('says that the instance served when it took other settings up', () => {
    expect(recordAfter(recorded('s1', 'k2'))?.served).toBe(true)
    expect(recordAfter(recorded('s1', 'k2', true), { ready: false })?.served).toBe(false)
    expect(recordAfter(recorded('s2', 'k1', true), { ready: false })?.served).toBe(true)
    expect(recordAfter(recorded('s2', 'k1'))?.served).toBe(false)
  })

  test('counts the settings of policies for an instance with a policy of its own only', () => {
    expect(recordAfter(undefined, { ownPolicy: true })?.settings).toBe('s2-own')
    expect(recordAfter(recorded('s2-own', 'k2'), { ownPolicy: false })?.settings).toBe('s2')
  })

  test('says nothing of a change where an instance gets a shared policy', () => {
    expect(recordAfter(recorded('s2-own', 'k2'), { ownPolicy: false })?.served).toBe(false)
  })

  test('depends on the keys of flags only where there is a flag', () => {
    const template = { kind: 'read', template: storedTemplate() } as const
    expect(recordAfter(undefined, { template })?.keys).toBe('-')
  })

  test('stays as it was where nothing was considered', () => {
    expect(recordAfter(recorded('s1', 'k1'), { observes: false })).toBeUndefined()
    expect(recordAfter(recorded('s1', 'k1'), { template: { kind: 'unread' }, sources: [] })).toBeUndefined()
    expect(recordAfter(recorded('s1', 'k1'), { template: { kind: 'missing' }, sources: [] })).toBeUndefined()
  })
})
