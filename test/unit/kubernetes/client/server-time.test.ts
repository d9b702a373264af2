import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { KubernetesClient } from '../../../../lib/kubernetes/client/http.ts'
import { withServerTime } from '../../../../lib/kubernetes/client/server-time.ts'

const signal = new AbortController().signal

/** A server whose clock is `aheadMs` ahead of this machine's, and that answers half-way through each call. */
function simulated({ aheadMs, startMs = Date.UTC(2026, 10, 29) }: { aheadMs: number; startMs?: number }) {
  const clock = { now: startMs, aheadMs, roundTripMs: 0 }
  const answer = async () => {
    clock.now += clock.roundTripMs / 2
    const date = new Date(Math.floor((clock.now + clock.aheadMs) / 1_000) * 1_000).toUTCString()
    clock.now += clock.roundTripMs / 2
    return { status: 200, body: undefined, headers: { date } }
  }
  const inner = { request: answer } as Partial<KubernetesClient> as KubernetesClient
  const { client, time } = withServerTime(inner, () => clock.now)
  const call = (roundTripMs: number) => {
    clock.roundTripMs = roundTripMs
    return client.request('GET', '/', {}, signal)
  }
  return { clock, time, call, serverTime: () => clock.now + clock.aheadMs }
}

describe('the time of the API server', () => {
  test('is that of this machine before the first answer', () => {
    const { clock, time } = simulated({ aheadMs: 5_000 })
    expect(time.reached()).toBe(clock.now)
    expect(time.likely()).toBe(clock.now)
  })

  test('is never taken for later than it is, and both times are right to a second and a round trip', async () => {
    const calls = fc.array(fc.tuple(fc.nat(3_000), fc.nat(200)), { minLength: 1, maxLength: 20 })
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: -3_000, max: 3_000 }),
        fc.nat(999),
        calls,
        async (aheadMs, fraction, each) => {
          const { clock, time, call, serverTime } = simulated({
            aheadMs,
            startMs: 1_764_000_000_000 + fraction,
          })
          for (const [pauseMs, roundTripMs] of each) {
            clock.now += pauseMs
            await call(roundTripMs)
            expect(time.reached()).toBeLessThanOrEqual(serverTime())
            expect(time.reached()).toBeGreaterThan(serverTime() - 1_000 - roundTripMs)
            expect(Math.abs(time.likely() - serverTime())).toBeLessThanOrEqual(
              Math.min(Math.abs(aheadMs), 1_000 + roundTripMs),
            )
          }
        },
      ),
    )
  })

  test('has reached a whole second as soon as the server answers in it', async () => {
    const { clock, time, call } = simulated({ aheadMs: 0, startMs: Date.UTC(2026, 10, 29, 12, 0, 0) + 3 })
    await call(2)
    expect(time.reached()).toBeGreaterThanOrEqual(Date.UTC(2026, 10, 29, 12, 0, 0))
    expect(time.likely()).toBe(clock.now)
  })

  test('is narrowed by each answer', async () => {
    const { clock, time, call, serverTime } = simulated({ aheadMs: 1_700, startMs: 1_764_000_000_000 })
    for (let i = 0; i < 40; i++) {
      clock.now += 377
      await call(4)
    }
    expect(serverTime() - time.reached()).toBeLessThan(60)
    expect(Math.abs(serverTime() - time.likely())).toBeLessThan(60)
  })

  test('follows a clock that is set', async () => {
    const { clock, time, call, serverTime } = simulated({ aheadMs: 2_500 })
    await call(10)
    for (const aheadMs of [-2_500, 0, 4_000]) {
      clock.aheadMs = aheadMs
      clock.now += 500
      await call(10)
      expect(time.reached()).toBeLessThanOrEqual(serverTime())
      expect(Math.abs(time.likely() - serverTime())).toBeLessThan(1_010)
    }
  })

  test('does not learn from an answer without a date, or during which the clock of this machine was set back', async () => {
    const now = { at: 1_764_000_000_000 }
    const headers: Record<string, string> = {}
    const request = async () => {
      now.at -= 10_000
      return { status: 200, body: undefined, headers }
    }
    const inner = { request } as Partial<KubernetesClient> as KubernetesClient
    const { client, time } = withServerTime(inner, () => now.at)
    await client.request('GET', '/', {}, signal)
    headers.date = new Date(0).toUTCString()
    await client.request('GET', '/', {}, signal)
    expect(time.reached()).toBe(now.at)
  })
})
