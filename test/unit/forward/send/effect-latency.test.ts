import { describe, expect, it } from 'vitest'
import { createEffectLatency } from '../../../../lib/forward/send/effect-latency.ts'

describe('EffectLatency', () => {
  it('has no patience before the first effect', () => {
    expect(createEffectLatency({ patience: 3 }).patienceMs).toBe(0)
  })

  it('is patient for a multiple of the slowest effect', () => {
    const latency = createEffectLatency({ patience: 3 })
    for (const afterMs of [100, 1_000, 990]) latency.effectSeen(afterMs)
    expect(latency.patienceMs).toBe(2_970)
  })

  it('forgets a slow effect after many fast ones', () => {
    const latency = createEffectLatency({ patience: 1 })
    latency.effectSeen(60_000)
    for (let fast = 0; fast < 60; fast++) latency.effectSeen(10)
    expect(latency.patienceMs).toBeCloseTo(60_000 * 0.95 ** 60, 0)
  })
})
