import { describe, expect, it } from 'vitest'
import { eventBatches } from '../../../lib/aws/event-batches.ts'

const item = (id: number, bytes = 10) => ({
  id,
  entry: { Source: '', DetailType: '', Detail: 'é'.repeat(bytes / 2) },
})
const ids = (batches: ReturnType<typeof item>[][]) => batches.map(batch => batch.map(({ id }) => id))

describe('eventBatches', () => {
  it('puts at most ten events into a request, in order', () => {
    const items = Array.from({ length: 23 }, (_, id) => item(id))
    const batches = eventBatches(items)
    expect(batches.map(batch => batch.length)).toEqual([10, 10, 3])
    expect(batches.flat()).toEqual(items)
  })

  it('keeps a request below 256 KB, counted in bytes with 14 for the time', () => {
    const half = 128 * 1024 - 14
    expect(ids(eventBatches([item(1, half), item(2, half - 2)]))).toEqual([[1, 2]])
    expect(ids(eventBatches([item(1, half), item(2, half)]))).toEqual([[1], [2]])
  })

  it('sends an event that is too big alone', () => {
    expect(ids(eventBatches([item(1), item(2, 300 * 1024), item(3)]))).toEqual([[1], [2], [3]])
  })

  it('makes no request of no events', () => {
    expect(eventBatches([])).toEqual([])
  })
})
