import { expect, it } from 'vitest'
import { createCreditLane } from '../../../../lib/forward/dispatch/credit-lane.ts'
import type { Messages } from '../../../../lib/forward/dispatch/messages.ts'
import type { Wake } from '../../../../lib/forward/judge/verdict.ts'
import { createRow, type Outstanding, type Row } from '../../../../lib/forward/table/row.ts'
import { virtualTime } from '../virtual-time.ts'

it('10,000 instances get their credits at 25 a second, the soonest end first', async () => {
  const { timers, now, advance } = virtualTime()
  const sent: number[] = []
  const ends = new Map<Row, number>()
  const wakeOf = (row: Row): Wake => {
    const mismatch = { kind: 'credits', minutes: 5, end: ends.get(row) ?? 0 } as const
    const versions = { resourceVersion: '1', readVersions: [], delayMs: 0 }
    return { uid: row.name, cause: 'changed', mismatch, ...versions }
  }
  const messages: Messages = {
    send(row) {
      sent.push(ends.get(row) ?? 0)
      return { sentAt: now() } as Outstanding
    },
    lostAt: ({ sentAt }) => sentAt + 600_000,
    effectSeen: () => {},
    withdraw: () => {},
    isAbout: () => true,
  }
  const lane = createCreditLane({ judge: wakeOf, onSent: () => {}, messages, timers, now })
  for (let index = 0; index < 10_000; index++) {
    const row = createRow('ctf', `team-${index}`)
    // In an order that is neither that of the ends nor its reverse.
    ends.set(row, (index * 7_919) % 10_000)
    lane.evaluate(row, wakeOf(row))
  }
  await advance(1_000)
  expect(sent.length).toBeGreaterThan(20)
  expect(sent.length).toBeLessThanOrEqual(26)
  await advance(399_000)
  expect(sent).toEqual(Array.from({ length: 10_000 }, (_, end) => end))
  lane.stop()
})
