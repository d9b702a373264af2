import { expect, test } from 'vitest'
import type { Timers } from '../../../../lib/abort.ts'
import { createClock, type Due } from '../../../../lib/forward/dispatch/clock.ts'
import { start, virtualTime } from '../virtual-time.ts'

type Item = Due & { id: number }
const item = (id: number): Item => ({ id, clockIndex: -1, dueAt: 0 })

test('the clock calls for each item once, in the order of the times, also if items were moved', async () => {
  const time = virtualTime()
  const seen: number[] = []
  const clock = createClock<Item>(({ id }) => seen.push(id), time.now, time.timers)
  const items = Array.from({ length: 500 }, (_, id) => item(id))
  for (const each of items) clock.set(each, start + ((each.id * 7919) % 1_000))
  for (const each of items) clock.set(each, start + 1_000 + ((each.id * 104_729) % 5_000))
  for (const each of items.filter(({ id }) => id % 5 === 0)) clock.set(each, undefined)
  await time.advance(1_000)
  expect(clock.size).toBe(400)
  await time.advance(5_000)
  const due = (id: number) => (id * 104_729) % 5_000
  expect(seen).toHaveLength(400)
  expect(seen.map(due)).toEqual(seen.map(due).sort((a, b) => a - b))
})

test('the clock sets no timer that is longer than setTimeout allows', async () => {
  const waits: number[] = []
  const timers: Timers = { set: (_, afterMs) => waits.push(afterMs), clear() {} }
  const clock = createClock<Item>(
    () => {},
    () => start,
    timers,
  )
  clock.set(item(1), start + 365 * 86_400_000)
  expect(waits).toEqual([2 ** 31 - 1])
})

test('an item that is due in a year is due after a year', async () => {
  const time = virtualTime()
  const seen: number[] = []
  const clock = createClock<Item>(({ id }) => seen.push(id), time.now, time.timers)
  clock.set(item(1), start + 365 * 86_400_000)
  await time.advance(365 * 86_400_000 - 1)
  expect(seen).toEqual([])
  await time.advance(1)
  expect(seen).toEqual([1])
})

test('ten thousand items that are due in one second are called for within that second', async () => {
  const time = virtualTime()
  let seen = 0
  const clock = createClock<Item>(() => seen++, time.now, time.timers)
  for (let id = 0; id < 10_000; id++) clock.set(item(id), start + (id % 10) * 100)
  await time.advance(1_000)
  expect([seen, clock.size]).toEqual([10_000, 0])
})

test('an item that is set again in its call is due again', async () => {
  const time = virtualTime()
  let seen = 0
  const clock = createClock<Item>(
    each => {
      seen += 1
      if (seen < 3) clock.set(each, time.now() + 10)
    },
    time.now,
    time.timers,
  )
  clock.set(item(1), start)
  await time.advance(100)
  expect(seen).toBe(3)
})
