import { describe, expect, it } from 'vitest'
import { outageBackoffMs, recheckBackoffMs, retryBackoffMs } from '../../../../lib/reconcile/pass/backoff.ts'

describe('the delay before the next pass', () => {
  it.each([
    ['retryBackoffMs', retryBackoffMs, 1_000, 2_000, 300_000],
    ['recheckBackoffMs', recheckBackoffMs, 30_000, 60_000, 300_000],
    ['outageBackoffMs', outageBackoffMs, 2_000, 4_000, 60_000],
  ])('%s doubles from its first to its longest delay, with jitter', (_, delay, first, second, longest) => {
    expect(delay(0, 0)).toBe(first)
    expect(delay(1, 0)).toBe(second)
    expect(delay(0, 0.999)).toBeGreaterThan(first * 1.9)
    expect(delay(60, 0)).toBe(longest / 2)
    expect(delay(60, 0.999_999)).toBeLessThanOrEqual(longest)
  })
})
