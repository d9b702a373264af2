import { describe, expect, it } from 'vitest'
import { once } from '../../../lib/middleware/start-up.ts'

const never = new AbortController().signal

describe('how often is a check made', () => {
  it('is it once, also by many who ask at the same time', async () => {
    let checks = 0
    const ready = once(async () => checks++)
    await Promise.all([ready(never), ready(never)])
    await ready(never)
    expect(checks).toBe(1)
  })

  it('is it again after one that failed', async () => {
    let checks = 0
    const ready = once(async () => {
      if (checks++ === 0) throw new Error('away')
    })
    await expect(ready(never)).rejects.toThrow('away')
    await expect(ready(never)).resolves.toBeUndefined()
    expect(checks).toBe(2)
  })
})
