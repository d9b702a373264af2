import { describe, expect, test } from 'vitest'
import type { ChallengeInstanceStatus } from '../../../lib/crd/challenge-instance.ts'
import { rowDigest } from '../../../lib/observed/row-digest.ts'
import { recordOf } from '../../../lib/reconcile/report/database-row.ts'
import { sweptInstance } from '../../../lib/sweep/swept-instance.ts'
import { storedInstance } from '../../support/objects.ts'

const template = { uid: 't', generation: 3, hash: 'h1', revision: 'web.t-3-h1' }
const condition = { reason: 'Serves', message: '', observedGeneration: 1, status: 'True' as const }
const ready = { ...condition, type: 'Ready', lastTransitionTime: '2026-11-29T10:00:00Z' } as const
const status: ChallengeInstanceStatus = { phase: 'Ready', url: 'http://web-7', template, conditions: [ready] }
const withNotes = (annotations: Record<string, string>) => storedInstance({ spec: { annotations } })
const plain = storedInstance()

describe('the digest of a row', () => {
  test.each<[string, ChallengeInstanceStatus]>([
    ['phase', { ...status, phase: 'Failed' }],
    ['reason', { ...status, reason: 'CrashLooping' }],
    ['message', { ...status, message: 'Another.' }],
    ['address', { ...status, url: 'http://elsewhere' }],
    ['end', { ...status, expiresAt: '2026-11-30T10:00:00Z' }],
    ['template', { ...status, template: { ...template, hash: 'h2' } }],
    ['Secret of the flag', { ...status, template: { ...template, flagVersion: '7' } }],
    ['configuration', { ...status, configuration: 'c' }],
    ['readiness', { ...status, conditions: [{ ...ready, lastTransitionTime: '2026-11-29T11:00:00Z' }] }],
  ])('differs with another %s', (_, other) => {
    expect(rowDigest(plain, other)).not.toBe(rowDigest(plain, status))
  })

  test('differs with other notes, and not with their order', () => {
    const digest = rowDigest(withNotes({ a: '1', b: '2' }), status)
    expect(rowDigest(withNotes({ b: '2', a: '1' }), status)).toBe(digest)
    expect(rowDigest(withNotes({ a: '1', b: '3' }), status)).not.toBe(digest)
  })

  test('is the same in the record of a pass and in the sweep after it', () => {
    const synced = { ...ready, type: 'Synced', lastTransitionTime: '2026-11-29T12:00:00Z' } as const
    const written = { ...status, conditions: [ready, synced] }
    const { digest } = recordOf({ instance: plain }, status, 'flag-hash')
    expect(sweptInstance({ ...plain, status: written }).rowDigest).toBe(digest)
  })

  test('stays the same when a template was considered and not taken up', () => {
    const considered = { ...status, template: { ...template, generation: 4 } }
    expect(rowDigest(plain, considered)).toBe(rowDigest(plain, status))
  })
})
