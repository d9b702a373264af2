import { describe, expect, it } from 'vitest'
import { paced } from '../../../lib/sweep/pace.ts'

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)

describe('the pace of row repairs', () => {
  it('lets everything through that a sweep may enqueue', () => {
    expect(paced(numbers(300), 1_000, 15)).toEqual({ now: numbers(300), left: 0 })
  })

  it('leaves the rest of ten thousand to the next sweeps', () => {
    const { now, left } = paced(numbers(10_000), 1_000, 15)
    expect([now.length, new Set(now).size, left]).toEqual([300, 300, 9_700])
  })

  it('begins every sweep with the first ones', () => {
    for (const sweep of numbers(5))
      expect(paced(numbers(1_000), sweep * 15_000, 15).now.slice(0, 150)).toEqual(numbers(150))
  })

  it('reaches each of those that stay within as many sweeps as they need', () => {
    const found = numbers(1_000)
    const reached = new Set(numbers(5).flatMap(sweep => paced(found, 7_000 + sweep * 15_000, 15).now))
    expect(reached.size).toBeGreaterThanOrEqual(900)
    const later = numbers(12).flatMap(sweep => paced(found, 7_000 + sweep * 15_000, 15).now)
    expect(new Set(later).size).toBe(1_000)
  })
})
