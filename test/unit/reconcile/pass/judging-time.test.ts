import { expect, it } from 'vitest'
import { clockSkewMs } from '../../../../lib/lifetime.ts'
import { judgingTime } from '../../../../lib/reconcile/pass/judging-time.ts'

const now = Date.parse('2026-11-21T09:00:00Z')
const sent = (ms: number) => ({ at: new Date(now + ms).toISOString() })

it('judgingTime is that of the sender if its clock is slightly ahead', () => {
  expect(judgingTime(sent(300), now)).toBe(now + 300)
  expect(judgingTime(sent(clockSkewMs), now)).toBe(now + clockSkewMs)
})

it('judgingTime is that of this machine after any delay, and if the other clock is far ahead', () => {
  expect(judgingTime(sent(-60_000), now)).toBe(now)
  expect(judgingTime(sent(clockSkewMs + 1), now)).toBe(now)
  expect(judgingTime({ at: 'never' }, now)).toBe(now)
})
