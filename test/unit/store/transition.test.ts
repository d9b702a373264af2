import { describe, expect, it } from 'vitest'
import type { Phase } from '../../../lib/crd/challenge-instance.ts'
import { transitionEvents } from '../../../lib/store/transition.ts'

const at = (phase: Phase, expiresAt?: number, warnedOf?: number) => ({ phase, expiresAt, warnedOf })
const types = (...names: string[]) => names.map(name => `instance.${name}`)

describe('transitionEvents, on a change of phase', () => {
  it.each<[Phase | undefined, Phase, string[]]>([
    [undefined, 'Pending', []],
    [undefined, 'Provisioning', ['provisioning']],
    [undefined, 'Ready', ['ready']],
    [undefined, 'Failed', ['failed']],
    [undefined, 'Terminating', []],
    ['Pending', 'Provisioning', ['provisioning']],
    ['Provisioning', 'Ready', ['ready']],
    ['Ready', 'Ready', []],
    ['Ready', 'Provisioning', ['provisioning']],
    ['Ready', 'Failed', ['failed']],
    ['Failed', 'Ready', ['ready']],
    ['Ready', 'Idle', ['idle']],
    ['Idle', 'Provisioning', ['woken', 'provisioning']],
    ['Idle', 'Ready', ['woken', 'ready']],
    ['Idle', 'Terminating', []],
    ['Ready', 'Terminating', []],
  ])('%s → %s emits %j', (before, after, expected) => {
    expect(transitionEvents(before && at(before), at(after))).toEqual(types(...expected))
  })
})

describe('transitionEvents, on a change of the expiry', () => {
  it('emits instance.renewed when the expiry is later or gone', () => {
    expect(transitionEvents(at('Ready', 1_000), at('Ready', 2_000))).toEqual(types('renewed'))
    expect(transitionEvents(at('Ready', 1_000), at('Ready'))).toEqual(types('renewed'))
    expect(transitionEvents(at('Provisioning', 1_000), at('Ready', 2_000))).toEqual(types('ready', 'renewed'))
  })

  it('emits nothing when the expiry is earlier, new, or the instance is terminating', () => {
    expect(transitionEvents(at('Ready', 2_000), at('Ready', 1_000))).toEqual([])
    expect(transitionEvents(at('Ready'), at('Ready', 1_000))).toEqual([])
    expect(transitionEvents(undefined, at('Pending', 1_000))).toEqual([])
    expect(transitionEvents(at('Ready', 1_000), at('Terminating', 2_000))).toEqual([])
  })
})

describe('transitionEvents, on a warning', () => {
  it('emits instance.expiring once for each end, after the other events', () => {
    expect(transitionEvents(at('Ready', 2_000), at('Ready', 2_000, 2_000))).toEqual(types('expiring'))
    expect(transitionEvents(at('Ready', 2_000, 2_000), at('Ready', 2_000, 2_000))).toEqual([])
    expect(transitionEvents(at('Ready', 2_000, 2_000), at('Ready', 3_000, 3_000))).toEqual(
      types('renewed', 'expiring'),
    )
    expect(transitionEvents(undefined, at('Ready', 2_000, 2_000))).toEqual(types('ready', 'expiring'))
  })

  it('emits nothing for an end that lies far ahead again', () => {
    expect(transitionEvents(at('Ready', 2_000, 2_000), at('Ready', 9_000))).toEqual(types('renewed'))
  })
})
