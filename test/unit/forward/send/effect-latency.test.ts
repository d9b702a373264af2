import { describe, expect, it } from 'vitest'
import { createEffectLatency } from '../../../../lib/forward/send/effect-latency.ts'

describe('EffectLatency', () => {
  it('has no patience before the first effect', () => {
    expect(createEffectLatency({ patience: 3 }).patienceMs).toBe(0)
  })

  it('is patient for a multiple of the slowest effect', () => {
    const latency = createEffectLatency({ patience: 3 })
    for (const afterMs of [100, 1_000, 990]) latency.effectSeen(afterMs, 0)
    expect(latency.patienceMs).toBe(2_970)
  })

  it('forgets a slow effect after many fast ones', () => {
    const latency = createEffectLatency({ patience: 1 })
    latency.effectSeen(60_000, 0)
    for (let fast = 0; fast < 60; fast++) latency.effectSeen(10, fast)
    expect(latency.patienceMs).toBeCloseTo(60_000 * 0.95 ** 60, 0)
  })

  it('knows the usual latency of the last half minute, whatever some failing instances take', () => {
    const latency = createEffectLatency({ patience: 3 })
    expect(latency.usualMs(0)).toBe(0)
    for (const afterMs of [60_000, 200, 90_000, 300, 250]) latency.effectSeen(afterMs, 1_000)
    expect(latency.usualMs(2_000)).toBe(300)
    for (let burst = 0; burst < 15; burst++) latency.effectSeen(4_000 + burst, 5_000)
    expect(latency.usualMs(6_000)).toBe(4_007)
    expect(latency.usualMs(34_999)).toBe(4_007)
    expect(latency.usualMs(35_000)).toBe(0)
  })
})
