import { describe, expect, it } from 'vitest'
import { eventBatches } from '../../../lib/aws/event-batches.ts'

const item = (id: number, bytes = 10) => ({
  id,
  entry: { Source: '', DetailType: '', Detail: 'é'.repeat(bytes / 2) },
})
const ids = (batches: ReturnType<typeof item>[][]) => batches.map(batch => batch.map(({ id }) => id))

describe('how are events put into requests', () => {
  it('ten at most, in order', () => {
    const items = Array.from({ length: 23 }, (_, id) => item(id))
    const batches = eventBatches(items)
    expect(batches.map(batch => batch.length)).toEqual([10, 10, 3])
    expect(batches.flat()).toEqual(items)
  })

  it('less than 256 KB at most, counted in bytes with 14 for the time', () => {
    const half = 128 * 1024 - 14
    expect(ids(eventBatches([item(1, half), item(2, half - 2)]))).toEqual([[1, 2]])
    expect(ids(eventBatches([item(1, half), item(2, half)]))).toEqual([[1], [2]])
  })

  it('one that is too big alone', () => {
    expect(ids(eventBatches([item(1), item(2, 300 * 1024), item(3)]))).toEqual([[1], [2], [3]])
  })

  it('none of none', () => {
    expect(eventBatches([])).toEqual([])
  })
})
