import { describe, expect, it } from 'vitest'
import type { Condition } from '../../../../lib/crd/objects.ts'
import {
  isSelected,
  namesWithoutInstance,
  type Selection,
  selectsEverything,
} from '../../../../local/commands/actions/selection.ts'
import { storedInstance } from '../../../support/objects.ts'

const unsynced: Condition = {
  type: 'Synced',
  status: 'False',
  reason: 'TeamUnknown',
  message: '',
  lastTransitionTime: '2026-11-29T12:00:00Z',
}
const failed = storedInstance({
  status: { phase: 'Failed', reason: 'CrashLooping', conditions: [unsynced] },
})
const going = storedInstance({
  metadata: { deletionTimestamp: '2026-11-29T12:00:00Z' },
  status: { phase: 'Ready' },
})
const selects = (selection: Partial<Selection>, instance = failed) =>
  isSelected(instance, { names: [], ...selection })

describe('a selection', () => {
  it.each([
    ['an event', { event: 1 }, { event: 2 }],
    ['a team', { team: 7 }, { team: 1 }],
    ['a template', { template: 'web' }, { template: 'we' }],
    ['one of several phases', { phases: ['Ready', 'Failed'] }, { phases: ['Ready'] }],
    ['one of several reasons', { reasons: ['OutOfMemory', 'CrashLooping'] }, { reasons: ['OutOfMemory'] }],
    [
      'the reason of a condition that does not hold',
      { reasons: ['TeamUnknown'] },
      { reasons: ['ChallengeUnknown'] },
    ],
    ['a name', { names: ['web-7'] }, { names: ['web'] }],
    ['a name with its namespace', { names: ['ctf/web-7'] }, { names: ['other/web-7'] }],
    ['every part at once', { team: 7, template: 'web' }, { team: 7, template: 'pwn' }],
  ] as [string, Partial<Selection>, Partial<Selection>][])('selects by %s', (_, fits, fitsNot) => {
    expect(selects(fits)).toBe(true)
    expect(selects(fitsNot)).toBe(false)
  })

  it('takes an instance for Terminating from its deletion mark on', () => {
    expect(selects({ phases: ['Terminating'] }, going)).toBe(true)
    expect(selects({ phases: ['Ready'] }, going)).toBe(false)
  })

  it('takes an instance without a status for Pending', () => {
    expect(selects({ phases: ['Pending'] }, storedInstance())).toBe(true)
  })

  it('selects everything only if no part is given', () => {
    expect(selectsEverything({ names: [], event: undefined })).toBe(true)
    expect(selectsEverything({ names: ['a'] })).toBe(false)
    expect(selectsEverything({ names: [], team: 0 })).toBe(false)
  })

  it('names those that no instance has', () => {
    expect(namesWithoutInstance([failed], ['web-7', 'ctf/web-7', 'ctf/web-8', 'a'])).toEqual([
      'ctf/web-8',
      'a',
    ])
  })
})
