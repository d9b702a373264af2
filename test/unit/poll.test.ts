import { describe, expect, test } from 'vitest'
import { pollUntil } from '../../lib/poll.ts'

const times = { everyMs: 1, limitMs: 20 }
const never = new AbortController().signal

describe('pollUntil', () => {
  test('asks again until the answer is true', async () => {
    let asked = 0
    const holds = async () => ++asked === 3
    expect(await pollUntil(holds, { everyMs: 1, limitMs: 10_000 }, never)).toBe(true)
    expect(asked).toBe(3)
  })

  test('asks less often the longer it waits', async () => {
    const asked: number[] = []
    const holds = async () => asked.push(Date.now()) === 40
    await pollUntil(holds, { everyMs: 1, atMostEveryMs: 20, limitMs: 10_000 }, never)
    // Forty questions at the first pause may take 40 ms. With a growing one they take at least 170 ms.
    expect((asked.at(-1) as number) - (asked[0] as number)).toBeGreaterThan(150)
  })

  test('returns false once the time is over', async () => {
    expect(await pollUntil(async () => false, times, never)).toBe(false)
  })

  test('throws what the question throws', async () => {
    const holds = () => Promise.reject(new Error('no answer'))
    await expect(pollUntil(holds, times, never)).rejects.toThrow('no answer')
  })

  test('ends with the reason of a signal that aborts between two questions', async () => {
    const aborting = new AbortController()
    const holds = async () => {
      aborting.abort(new Error('stopped'))
      return false
    }
    await expect(pollUntil(holds, { everyMs: 60_000, limitMs: 60_000 }, aborting.signal)).rejects.toThrow(
      'stopped',
    )
  })
})
