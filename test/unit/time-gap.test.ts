import { expect, test } from 'vitest'
import type { Timers } from '../../lib/abort.ts'
import { noticeTimeGaps } from '../../lib/time-gap.ts'

/** Two clocks and one timer, which the test moves and fires. */
function setUp() {
  const clocks = { wall: 0, process: 0 }
  let due: { run: () => void; afterMs: number } | undefined
  const timers: Timers = {
    set(run, afterMs) {
      due = { run, afterMs }
      return due
    },
    clear() {
      due = undefined
    },
  }
  const gaps: number[] = []
  const gap = noticeTimeGaps({
    limitMs: 1_000,
    clocks: [() => clocks.wall, () => clocks.process],
    timers,
    onGap: ms => gaps.push(ms),
  })
  return {
    clocks,
    gap,
    gaps,
    get isWatching() {
      return due !== undefined
    },
    /** Fires the timer, late by `lateMs`. */
    tick(lateMs = 0) {
      const now = due
      clocks.wall += (now?.afterMs ?? 0) + lateMs
      clocks.process += (now?.afterMs ?? 0) + lateMs
      now?.run()
    },
  }
}

test('no gap is seen while timers come in time, or a little late', () => {
  const world = setUp()
  for (let tick = 0; tick < 20; tick++) world.tick(tick % 2 === 0 ? 0 : 700)
  expect(world.gaps).toEqual([])
})

test('a gap is seen at the first look after it, before any timer, and once', () => {
  const world = setUp()
  world.tick()
  world.clocks.wall += 60_000
  world.clocks.process += 60_000
  world.gap.look()
  world.gap.look()
  world.tick()
  expect(world.gaps).toEqual([60_000])
})

test('a gap that only one of the clocks shows is one, as after a machine was frozen', () => {
  const world = setUp()
  world.clocks.wall += 5_000
  world.gap.look()
  expect(world.gaps).toEqual([5_000])
})

test('no timer is left after the end', () => {
  const world = setUp()
  world.gap.stop()
  expect(world.isWatching).toBe(false)
})
