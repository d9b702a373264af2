import { describe, expect, it } from 'vitest'
import { limited, runLimited } from '../../lib/concurrency.ts'

/** Work that ends when the test ends it, and counts itself. */
function counted() {
  const started: number[] = []
  const ends: Array<() => void> = []
  const run = (id: number) => {
    started.push(id)
    return new Promise<number>(resolve => {
      ends[id] = () => resolve(id * 10)
    })
  }
  const end = async (id: number) => {
    ends[id]?.()
    await new Promise(resolve => setImmediate(resolve))
  }
  return { started, run, end }
}

describe('limited', () => {
  it('starts what waits in order, one for each that ends', async () => {
    const { started, run, end } = counted()
    const limit = limited(2)
    for (const id of [0, 1, 2, 3]) void limit(() => run(id))
    expect(started).toEqual([0, 1])
    await end(1)
    expect(started).toEqual([0, 1, 2])
    await end(0)
    expect(started).toEqual([0, 1, 2, 3])
  })

  it('frees the place of work that fails', async () => {
    const limit = limited(1)
    const failed = limit(async () => {
      throw new Error('work')
    })
    const next = limit(async () => 'next')
    await expect(failed).rejects.toThrow('work')
    await expect(next).resolves.toBe('next')
  })
})

describe('runLimited', () => {
  it('returns the results in the order of the items, whatever ends first', async () => {
    const { run, end } = counted()
    const results = runLimited([0, 1, 2], 2, run)
    for (const id of [1, 2, 0]) await end(id)
    await expect(results).resolves.toEqual([0, 10, 20])
  })

  it('throws what an item throws', async () => {
    const run = async (item: number) => {
      if (item === 1) throw new Error('item')
      return item
    }
    await expect(runLimited([0, 1, 2], 1, run)).rejects.toThrow('item')
  })
})
