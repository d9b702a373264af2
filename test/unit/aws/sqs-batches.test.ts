import { describe, expect, it } from 'vitest'
import { type BatchEntry, planBatches } from '../../../lib/aws/sqs-batches.ts'

function entries(...groups: string[]): BatchEntry<number>[] {
  return groups.map((groupId, item) => ({ item, groupId, body: `{"n":${item}}` }))
}

function items(of: BatchEntry<number>[]): number[][] {
  return planBatches(of).map(batch => batch.entries.map(entry => entry.item))
}

describe('planBatches', () => {
  it('puts ten entries of different groups into a batch', () => {
    const many = entries(...Array.from({ length: 25 }, (_, index) => `g${index}`))
    expect(items(many).map(batch => batch.length)).toEqual([10, 10, 5])
    expect(items(many).flat()).toEqual(many.map(entry => entry.item))
  })

  it('puts the next entry of a group into a later batch, which waits for the one before', () => {
    expect(
      planBatches(entries('a', 'a', 'b', 'a')).map(({ entries, after }) => [entries.map(e => e.item), after]),
    ).toEqual([
      [[0, 2], []],
      [[1], [0]],
      [[3], [1]],
    ])
  })

  it('fills a batch with other groups while a group waits', () => {
    const busy = entries('a', 'a', 'a', ...Array.from({ length: 12 }, (_, index) => `g${index}`))
    expect(items(busy).map(batch => batch.length)).toEqual([10, 4, 1])
  })

  it('keeps a batch below one MiB, counted in bytes', () => {
    const big = entries('a', 'b', 'c').map(entry => ({ ...entry, body: 'ü'.repeat(300_000) }))
    expect(items(big)).toEqual([[0], [1], [2]])
    const small = big.map(entry => ({ ...entry, body: 'u'.repeat(300_000) }))
    expect(items(small)).toEqual([[0, 1, 2]])
  })

  it('makes no batch of no entries', () => {
    expect(planBatches([])).toEqual([])
  })
})

describe('planBatches, given 500 entries of 40 groups', () => {
  it('keeps the order of every group', () => {
    let seed = 42
    const random = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
      return seed % below
    }
    const mixed = entries(...Array.from({ length: 500 }, () => `g${random(40)}`))
    const planned = planBatches(mixed)
    const place = new Map(
      planned.flatMap((batch, at) => batch.entries.map(entry => [entry.item, at] as const)),
    )
    expect(place.size).toBe(500)
    for (const { entries: inBatch } of planned) {
      expect(inBatch.length).toBeLessThanOrEqual(10)
      expect(new Set(inBatch.map(entry => entry.groupId)).size).toBe(inBatch.length)
    }
    for (const group of new Set(mixed.map(entry => entry.groupId))) {
      const places = mixed.filter(entry => entry.groupId === group).map(entry => place.get(entry.item) ?? -1)
      expect(places).toEqual([...places].sort((one, other) => one - other))
      for (const [index, at] of places.entries())
        if (index > 0) expect(planned[at]?.after).toContain(places[index - 1])
    }
  })
})
