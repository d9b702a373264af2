import { expect, test } from 'vitest'
import { adaptivePlaces } from '../../../../lib/forward/send/places.ts'
import { createSendLimit } from '../../../../lib/forward/send/send-limit.ts'

/**
 * Sends for a while to a cluster that takes so many messages in a second, one after the other.
 * @returns the most that were under way in the last seconds, and how many took effect in each of them
 */
function under(ratePerSecond: (second: number) => number, seconds: number) {
  let now = 1_000_000
  const limit = createSendLimit(adaptivePlaces(), () => now)
  const underWay: string[] = []
  const effects: number[] = []
  const most: number[] = []
  let sent = 0
  let budget = 0
  for (let second = 0; second < seconds; second++) {
    effects.push(0)
    most.push(0)
    for (let tick = 0; tick < 100; tick++) {
      now += 10
      while (limit.free >= 10)
        for (let index = 0; index < 10; index++) {
          sent += 1
          limit.sent(`${sent}`)
          underWay.push(`${sent}`)
        }
      most[second] = Math.max(most[second] ?? 0, underWay.length)
      budget = Math.min(ratePerSecond(second), budget + ratePerSecond(second) / 100)
      for (; budget >= 1 && underWay.length > 0; budget--) {
        limit.effectSeen(underWay.shift() ?? '')
        effects[second] = (effects[second] ?? 0) + 1
      }
    }
  }
  const last = (numbers: number[]) => numbers.slice(-5)
  return { most: Math.max(...last(most)), effects: Math.min(...last(effects)), taken: limit.taken }
}

test('a slow cluster has as many messages under way as take effect in two seconds, and is never idle', () => {
  const { most, effects } = under(() => 40, 60)
  expect(most).toBeLessThanOrEqual(100)
  expect(effects).toBeGreaterThanOrEqual(38)
})

test('a fast cluster gets all that it takes', () => {
  expect(under(() => 900, 30).effects).toBeGreaterThanOrEqual(850)
})

test('a cluster that was slow for a while has its places back within seconds', () => {
  expect(under(second => (second < 40 ? 15 : 400), 50).effects).toBeGreaterThanOrEqual(380)
})

test('a cluster that marks nothing keeps few messages under way, and none is waited for forever', () => {
  let now = 1_000_000
  const limit = createSendLimit(adaptivePlaces(), () => now)
  const sentIn = (second: number) => {
    let sent = 0
    for (; limit.free >= 10; sent += 10) for (let i = 0; i < 10; i++) limit.sent(`${second} ${sent} ${i}`)
    now += 1_000
    return sent
  }
  const sent = Array.from({ length: 60 }, (_, second) => sentIn(second))
  expect(sent[0]).toBe(200)
  expect(Math.max(...sent.slice(50))).toBeLessThanOrEqual(20)
  expect(sent.slice(50).reduce((sum, each) => sum + each, 0)).toBeGreaterThan(0)
})

test('single messages that take effect at once do not raise the number', () => {
  const places = adaptivePlaces()
  for (let index = 0; index < 1_000; index++) places.effectSeen(20, { taken: 1, at: index * 1_000 })
  expect(places.number).toBe(200)
})
