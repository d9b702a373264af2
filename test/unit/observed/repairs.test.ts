import { describe, expect, it } from 'vitest'
import {
  contestEndsAt,
  isCalm,
  isContested,
  isPaused,
  pausedUntil,
  type Repairs,
  withRepair,
} from '../../../lib/observed/repairs.ts'

const start = Date.parse('2026-11-29T14:00:00Z')

/** The pauses, in seconds, of a child that is changed again the moment it was repaired. */
function pauses(count: number): number[] {
  let repairs: Repairs | undefined
  let now = start
  return Array.from({ length: count }, () => {
    now = Math.max(now, pausedUntil(repairs))
    repairs = withRepair(repairs, now)
    return (pausedUntil(repairs) - now) / 1_000
  })
}

describe('the pauses between repairs', () => {
  it('double from a second to five minutes', () => {
    expect(pauses(11)).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300])
  })

  it('stay at five minutes for a burst without an end', () => {
    const many: Repairs = { count: 2_000, at: new Date(start).toISOString() }
    expect(pausedUntil(many)).toBe(start + 300_000)
  })

  it('are over for a pass whose clock is behind by less than a quarter of the pause', () => {
    const fourth: Repairs = { count: 4, at: new Date(start).toISOString() }
    expect(isPaused(fourth, start + 5_999)).toBe(true)
    expect(isPaused(fourth, start + 6_000)).toBe(false)
    expect(isPaused(undefined, start)).toBe(false)
  })

  it('let the first repair happen at once', () => {
    expect(pausedUntil(undefined)).toBe(0)
  })
})

describe('a burst of repairs', () => {
  const fourth: Repairs = { count: 4, at: new Date(start).toISOString() }

  it('goes on while each repair comes within ten minutes', () => {
    expect(withRepair(fourth, start + 599_999).count).toBe(5)
    expect(isCalm(fourth, start + 599_999)).toBe(false)
  })

  it('is over after ten minutes without one', () => {
    expect(withRepair(fourth, start + 600_000).count).toBe(1)
    expect(isCalm(fourth, start + 600_000)).toBe(true)
  })

  it('is reported from the fifth repair on, until it is over', () => {
    expect(isContested(fourth)).toBe(false)
    expect(contestEndsAt(fourth)).toBeUndefined()
    const fifth = withRepair(fourth, start + 8_000)
    expect(isContested(fifth)).toBe(true)
    expect(contestEndsAt(fifth)).toBe(start + 608_000)
  })
})
