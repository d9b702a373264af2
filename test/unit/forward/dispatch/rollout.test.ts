import { describe, expect, test } from 'vitest'
import { rolloutHold } from '../../../../lib/forward/dispatch/rollout.ts'
import type { Outstanding } from '../../../../lib/forward/table/row.ts'
import { rowsOn } from '../rows-on.ts'
import { start } from '../virtual-time.ts'
import { template } from '../watched-objects.ts'

/** Instances on the new generation, which served when they took it up. */
const tookUp = (count: number, ready: boolean) =>
  Array.from({ length: count }, () => ({ generation: 2, ready, served: true }))
const behind = (count: number, ready: boolean) =>
  Array.from({ length: count }, () => ({ generation: 1, ready }))
const sent: Outstanding = {
  uid: '',
  cause: 'template',
  key: '',
  sentAt: 0,
  waitMs: 0,
  repeated: false,
  versions: '',
  outdatedSince: undefined,
  repeatsForNewer: 0,
}

describe('rolloutHold', () => {
  test.each<[held: boolean, ready: number, unready: number]>([
    [false, 0, 0],
    [false, 0, 1],
    [true, 0, 2],
    [false, 18, 2],
    [true, 17, 3],
    [false, 90, 10],
    [true, 89, 11],
  ])('is %s with %i Ready and %i unready instances on the new generation', (held, ready, unready) => {
    const instances = [...tookUp(ready, true), ...tookUp(unready, false), ...behind(5, false)]
    const expected = held ? { notReady: unready, of: ready + unready } : undefined
    expect(rolloutHold(rowsOn(template(2), instances).entry)).toEqual(expected)
  })

  test('is not caused by instances that did not serve when they took the new generation up', () => {
    const troubled = Array.from({ length: 5 }, () => ({ generation: 2, ready: false }))
    expect(rolloutHold(rowsOn(template(2), [...troubled, ...behind(5, true)]).entry)).toBeUndefined()
  })

  test('counts an instance that serves and is on its way to the new generation, and says that none is not Ready', () => {
    const { rows, entry } = rowsOn(template(2), behind(5, true))
    for (const row of rows.slice(0, 2)) row.turns.rollout.sent = sent
    expect(rolloutHold(entry)).toEqual({ notReady: 0, of: 0 })
  })

  test('does not count an instance on its way that does not serve', () => {
    const { rows, entry } = rowsOn(template(2), behind(5, false))
    for (const row of rows) row.turns.rollout.sent = sent
    expect(rolloutHold(entry)).toBeUndefined()
  })

  test('does not count an instance whose message was lost, since it waits for its turn again', () => {
    const { rows, entry } = rowsOn(template(2), behind(5, true))
    for (const row of rows.slice(0, 2)) Object.assign(row.turns.rollout, { sent, waits: true })
    expect(rolloutHold(entry)).toBeUndefined()
  })

  test('is not caused by hibernated instances or by reasons that concern a single instance', () => {
    const lastTransitionTime = new Date(start).toISOString()
    const conditions = [
      { type: 'Stalled', status: 'True' as const, reason: 'EnvInvalid', message: '', lastTransitionTime },
    ]
    const idle = tookUp(5, false).map(each => ({ ...each, more: { phase: 'Idle' as const } }))
    const own = tookUp(5, false).map(each => ({ ...each, more: { conditions } }))
    expect(rolloutHold(rowsOn(template(2), [...idle, ...own]).entry)).toBeUndefined()
  })

  test('is not caused by anything with the strategy Keep', () => {
    const kept = { ...template(2), spec: { updateStrategy: 'Keep' } }
    expect(rolloutHold(rowsOn(kept, tookUp(5, false)).entry)).toBeUndefined()
  })
})
