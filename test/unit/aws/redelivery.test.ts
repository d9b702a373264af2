import { expect, test } from 'vitest'
import { changesReceives, redeliverySeconds } from '../../../lib/aws/redelivery.ts'

test('a message that is left comes again after 2 s, doubling to a minute', () => {
  const waits = Array.from({ length: 8 }, (_, index) => redeliverySeconds(index + 1))
  expect(waits).toEqual([2, 4, 8, 16, 32, 60, 60, 60])
  expect(redeliverySeconds(1_000)).toBe(60)
  expect(redeliverySeconds(0)).toBe(2)
})

test('five minutes of a refusing timers queue make no dead letter of a healthy message', () => {
  let seconds = 0
  for (let receives = 1; receives < changesReceives; receives++) seconds += redeliverySeconds(receives)
  // The last receive has to come after the outage, however fast the refusals are.
  expect(seconds).toBeGreaterThan(5 * 60)
})
