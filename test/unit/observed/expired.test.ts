import { describe, expect, it } from 'vitest'
import { clockSkewMs } from '../../../lib/lifetime.ts'
import { expired } from '../../../lib/observed/expired.ts'
import { storedInstance } from '../../support/objects.ts'

const end = Date.parse('2026-11-21T09:00:00Z')

/** An instance with this end, whose deletion mark was set so many milliseconds after it. */
function deletedAfter(milliseconds: number, expiresAt: string | undefined = new Date(end).toISOString()) {
  const deletionTimestamp = new Date(end + milliseconds).toISOString()
  return storedInstance({ metadata: { deletionTimestamp }, status: expiresAt ? { expiresAt } : {} })
}

describe('a deleted instance', () => {
  it('expired if the mark was set at its end or later', () => {
    expect(expired(deletedAfter(0))).toBe(true)
    expect(expired(deletedAfter(3_600_000))).toBe(true)
  })

  it('expired if the mark was set by an API server whose clock is slightly behind', () => {
    expect(expired(deletedAfter(-1_000))).toBe(true)
    expect(expired(deletedAfter(-clockSkewMs))).toBe(true)
  })

  it('did not expire if the mark was set well before its end, or if it has none', () => {
    expect(expired(deletedAfter(-clockSkewMs - 1_000))).toBe(false)
    expect(expired(deletedAfter(0, ''))).toBe(false)
  })
})
