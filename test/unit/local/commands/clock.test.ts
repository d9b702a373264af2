import { describe, expect, it } from 'vitest'
import { parseClock } from '../../../../lib/clock/parse.ts'
import type { ClockState, Credit } from '../../../../lib/clock/state.ts'
import type { ConfigMap, Stored } from '../../../../lib/crd/objects.ts'
import { editClock } from '../../../../local/commands/clock/edit.ts'
import { clockLines } from '../../../../local/commands/clock/print-clock.ts'

const now = Date.parse('2026-11-29T12:00:00Z')
const pause = { kind: 'paused', value: true } as const
const credit = { id: undefined, minutes: 20, at: now }
const earlier: Credit = { id: 'outage', minutes: 10, at: now - 60_000, event: 3 }
const state: ClockState = { paused: false, lockdown: true, credits: [earlier] }

/** The credits that the operator reads after an edit. */
function creditsAfter(data: Record<string, string>) {
  const parsed = parseClock({ data }, now)
  if ('problems' in parsed) throw new Error(parsed.problems.join(' '))
  return parsed.order.credits
}

describe('an edit of the clock', () => {
  it('writes only what it changes', () => {
    const order = { data: { lockdown: 'true', credits: '[]' } }
    expect(editClock({ order, state }, pause, now)).toEqual({ kind: 'write', data: { paused: 'true' } })
    expect(editClock({ order, state }, { kind: 'lockdown', value: true }, now)).toEqual({ kind: 'same' })
  })

  it('begins a missing ConfigMap with the state that the operator keeps', () => {
    expect(editClock({ order: undefined, state }, pause, now)).toEqual({
      kind: 'write',
      data: { paused: 'true', lockdown: 'true' },
    })
    expect(editClock({ order: undefined, state: undefined }, pause, now)).toEqual({
      kind: 'write',
      data: { paused: 'true', lockdown: 'false' },
    })
  })

  it('leaves a ConfigMap that cannot be read as it is, and says why', () => {
    expect(editClock({ order: { data: { paused: 'yes' } }, state }, pause, now)).toEqual({
      kind: 'problems',
      problems: ['data.paused is "yes"; write "true" or "false"'],
    })
  })
})

describe('a credit', () => {
  const add = (stored: Parameters<typeof editClock>[0], parts: Partial<Credit> = {}) =>
    editClock(stored, { kind: 'credit', credit: { ...credit, ...parts } }, now)

  it('gets an id by the time, and stands behind those that there are', () => {
    const order = {
      data: { credits: '# the first night\n- {id: a, minutes: 5, at: 2026-11-29T01:00:00Z}\n' },
    }
    const edited = add({ order, state })
    if (edited.kind !== 'write') throw new Error(edited.kind)
    expect(edited.credit?.id).toBe('credit-20261129T120000Z')
    expect(edited.data.credits).toContain('# the first night')
    expect(creditsAfter(edited.data)?.map(({ id }) => id)).toEqual(['a', 'credit-20261129T120000Z'])
    const again = add({ order: { data: edited.data }, state })
    expect(again).toMatchObject({ credit: { id: 'credit-20261129T120000Z-2' } })
  })

  it('keeps the credits that count, also where the ConfigMap says nothing of them', () => {
    for (const order of [undefined, {}, { data: {} }, { data: { paused: 'true' } }]) {
      const edited = add({ order, state }, { team: 7, template: 'web' })
      if (edited.kind !== 'write') throw new Error(edited.kind)
      expect(creditsAfter(edited.data)).toEqual([
        earlier,
        { ...credit, id: 'credit-20261129T120000Z', team: 7, template: 'web' },
      ])
    }
  })

  it('replaces an explicit empty list', () => {
    const edited = add({ order: { data: { credits: '[]' } }, state })
    if (edited.kind !== 'write') throw new Error(edited.kind)
    expect(creditsAfter(edited.data)).toHaveLength(1)
  })

  it('is refused under an id that there is, and where the operator would refuse it', () => {
    expect(add({ order: undefined, state }, { id: 'outage' })).toMatchObject({ kind: 'problems' })
    expect(add({ order: undefined, state }, { minutes: 99_999 })).toEqual({
      kind: 'problems',
      problems: [expect.stringContaining('.minutes')],
    })
  })
})

describe('an operator state that somebody made unreadable', () => {
  const unreadable = { order: { data: { paused: 'false' } }, state: 'unreadable' } as const

  it('refuses a credit, since the others are not known', () => {
    const edit = { kind: 'credit', credit } as const
    expect(editClock(unreadable, edit, now)).toMatchObject({ kind: 'problems' })
    const whole = { data: { credits: '[]' } }
    expect(editClock({ ...unreadable, order: whole }, edit, now)).toMatchObject({ kind: 'write' })
  })

  it('keeps nobody from a pause', () => {
    expect(editClock(unreadable, pause, now)).toEqual({ kind: 'write', data: { paused: 'true' } })
    expect(editClock({ ...unreadable, order: undefined }, pause, now)).toMatchObject({ kind: 'problems' })
  })
})

describe('the lines of a clock', () => {
  const order = (data: Record<string, string>): Stored<ConfigMap> => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: 'challenge-operator',
      namespace: 'ctf',
      uid: 'u',
      resourceVersion: '1',
      creationTimestamp: '2026-11-29T11:00:00Z',
    },
    data,
  })
  const taken = { looked: true, problem: undefined }

  it('tell what holds', () => {
    expect(clockLines({ order: order({ lockdown: 'true' }), state, ...taken }, 'ConfigMap a/b')).toEqual([
      'paused    no',
      'lockdown  yes: no instance is reached, and none reaches anything',
      'credits',
      '  outage  10 minutes for event 3, given at 2026-11-29T11:59:00Z',
    ])
    expect(clockLines({ order: undefined, state: undefined, ...taken }, '')).toEqual([
      'paused    no',
      'lockdown  no',
      'credits   none',
    ])
  })

  it('tell what the operator acts on where that is something else', () => {
    const waiting = { order: order({ paused: 'true' }), state: undefined, looked: false, problem: undefined }
    expect(clockLines(waiting, 'ConfigMap a/b')).toEqual([
      'The operator has not looked at ConfigMap a/b as it is now. It asks for:',
      'paused    yes: nothing is created, changed, ended or hibernated',
      'lockdown  no',
      'credits   none',
      'The operator acts on:',
      'paused    no',
      'lockdown  no',
      'credits   none',
    ])
    expect(clockLines({ ...waiting, order: order({ paused: 'yes' }) }, '')[1]).toBe(
      '  - data.paused is "yes"; write "true" or "false"',
    )
  })

  it('tell why the operator does not follow', () => {
    const lines = clockLines(
      { order: undefined, state, looked: true, problem: 'It was deleted.' },
      'ConfigMap a/b',
    )
    expect(lines[0]).toBe('The operator does not follow ConfigMap a/b. It was deleted.')
    expect(lines[1]).toBe('paused    no')
  })
})
