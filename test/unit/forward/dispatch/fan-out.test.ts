import { expect, test } from 'vitest'
import { createFanOut } from '../../../../lib/forward/dispatch/fan-out.ts'
import { nextInLine, rolloutHold } from '../../../../lib/forward/dispatch/rollout.ts'
import type { Row } from '../../../../lib/forward/table/row.ts'
import { rowsOn } from '../rows-on.ts'
import { virtualTime } from '../virtual-time.ts'
import { template } from '../watched-objects.ts'

const many = (count: number, generation: number, ready: boolean) =>
  Array.from({ length: count }, () => ({ generation, ready }))

function released(rows: Row[]) {
  const time = virtualTime()
  const names: string[] = []
  const announced: string[] = []
  const fanOut = createFanOut({
    turnOf: ({ turns }) => turns.rollout,
    nextInLine: entry => nextInLine(entry, ({ turns }) => turns.rollout),
    hold: rolloutHold,
    release: row => names.push(row.name),
    announce: (row, { notReady, of }) => {
      const sentence = `${row.name}: ${notReady} of ${of}`
      return !announced.includes(sentence) && announced.push(sentence) > 0
    },
    timers: time.timers,
    now: time.now,
  })
  rows.forEach(fanOut.offer)
  return { ...time, names, announced, fanOut }
}

test('the fan-out releases ten rows a second, broken ones first', async () => {
  const { rows } = rowsOn(template(2), [...many(30, 1, true), { generation: 1, ready: false }])
  const world = released(rows)
  await world.advance(999)
  expect(world.names).toHaveLength(10)
  expect(world.names[0]).toBe('i30')
  await world.advance(10_000)
  expect(world.names).toHaveLength(31)
})

test('the fan-out releases no row that was withdrawn, and none after it was cleared', async () => {
  const { rows } = rowsOn(template(2), many(10, 1, true))
  const world = released(rows)
  Object.assign((rows[1] as Row).turns.rollout, { waits: false })
  await world.advance(250)
  expect(world.names).toEqual(['i0', 'i2', 'i3'])
  world.fanOut.clear()
  await world.advance(10_000)
  expect(world.names).toHaveLength(3)
})

test('the fan-out says that a roll-out is held when it has been held for ten seconds, ten times a second, once a row', async () => {
  const { rows } = rowsOn(template(2), [
    ...many(2, 2, false).map(each => ({ ...each, served: true })),
    ...many(30, 1, true),
  ])
  const world = released(rows.slice(2))
  await world.advance(9_900)
  expect(world.announced).toEqual([])
  await world.advance(1_200)
  expect(world.announced.length).toBeGreaterThan(5)
  expect(world.announced.length).toBeLessThan(15)
  await world.advance(60_000)
  expect(new Set(world.announced)).toEqual(new Set(rows.slice(2).map(({ name }) => `${name}: 2 of 2`)))
  expect(world.announced).toHaveLength(30)
  expect(world.names).toEqual([])
})

test('the fan-out does not say that a roll-out is held while it waits for instances on their way', async () => {
  const { rows } = rowsOn(template(2), many(5, 1, true))
  const message = { uid: '', cause: 'template', key: '', sentAt: 0, waitMs: 0, repeated: false } as const
  const outstanding = { ...message, versions: '', outdatedSince: undefined, repeatsForNewer: 0 }
  for (const row of rows.slice(0, 2)) row.turns.rollout.sent = outstanding
  const world = released(rows.slice(2))
  await world.advance(60_000)
  expect(world).toMatchObject({ names: [], announced: [] })
})
