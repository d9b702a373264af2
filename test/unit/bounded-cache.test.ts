import { expect, test } from 'vitest'
import { remember } from '../../lib/bounded-cache.ts'

test('a full cache forgets what it has when another key comes, and not when a known one does', () => {
  const cache = new Map<string, number>()
  remember(cache, 2, 'a', 1)
  remember(cache, 2, 'b', 1)
  remember(cache, 2, 'a', 2)
  expect([...cache]).toEqual([
    ['a', 2],
    ['b', 1],
  ])
  remember(cache, 2, 'c', 1)
  expect([...cache]).toEqual([['c', 1]])
})
