import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  heldLease,
  isNewer,
  leaseKind,
  leaseTimes,
  releasedLease,
  takeableInMs,
} from '../../../../lib/kubernetes/lease/record.ts'
import { storedLease } from './leases.ts'

const now = Date.parse('2026-05-01T12:00:00.250Z')
const claim = { namespace: 'ctf', name: 'l', identity: 'one', durationMs: 2_500 }

describe('leaseTimes', () => {
  const { retryMs, renewMs, warnAfterMs, durationMs } = leaseTimes

  it('leaves time for a retry within a renewal, and for a warning before the lease is free', () => {
    expect([retryMs, renewMs, warnAfterMs, durationMs]).toEqual(
      [retryMs, renewMs, warnAfterMs, durationMs].toSorted((a, b) => a - b),
    )
    expect(new Set([retryMs, renewMs, warnAfterMs, durationMs]).size).toBe(4)
  })

  it('is what docs/operations.md promises', () => {
    const page = readFileSync(join(import.meta.dirname, '../../../../docs/operations.md'), 'utf8')
    const [, duration, renewal] = page.match(/lasts (\d+) s and is renewed every (\d+) s/) ?? []
    expect([Number(duration) * 1_000, Number(renewal) * 1_000]).toEqual([durationMs, renewMs])
  })
})

describe('heldLease', () => {
  it('creates a lease with rounded up seconds and microseconds', () => {
    expect(heldLease(claim, undefined, now)).toEqual({
      ...leaseKind,
      metadata: { namespace: 'ctf', name: 'l' },
      spec: {
        holderIdentity: 'one',
        leaseDurationSeconds: 3,
        acquireTime: '2026-05-01T12:00:00.250000Z',
        renewTime: '2026-05-01T12:00:00.250000Z',
        leaseTransitions: 0,
      },
    })
  })

  it('counts a transition when the holder changes', () => {
    const before = storedLease('1', { holderIdentity: 'two', leaseTransitions: 4 })
    expect(heldLease(claim, before, now).spec).toMatchObject({ holderIdentity: 'one', leaseTransitions: 5 })
  })

  it('keeps the time of acquisition in a renewal, and the version as precondition', () => {
    const before = storedLease('1', { holderIdentity: 'one', acquireTime: 'then', leaseTransitions: 4 })
    const renewed = heldLease(claim, before, now)
    expect(renewed.spec).toMatchObject({ acquireTime: 'then', leaseTransitions: 4 })
    expect(renewed.metadata.resourceVersion).toBe('1')
  })
})

describe('releasedLease', () => {
  it('has no holder, so that it may be taken at once', () => {
    const before = storedLease('1', { holderIdentity: 'one', leaseDurationSeconds: 15 })
    const released = releasedLease(before, now)
    expect(released.spec).toMatchObject({ holderIdentity: '', leaseDurationSeconds: 1 })
    expect(takeableInMs(released, now, now)).toBe(0)
  })
})

describe('takeableInMs', () => {
  it('counts from when the version was first seen, not from its renewTime', () => {
    const lease = storedLease('1', {
      holderIdentity: 'two',
      leaseDurationSeconds: 15,
      renewTime: '1970-01-01',
    })
    expect(takeableInMs(lease, now - 4_000, now)).toBe(11_000)
    expect(takeableInMs(lease, now - 16_000, now)).toBe(0)
  })

  it('is 0 without a lease', () => {
    expect(takeableInMs(undefined, now, now)).toBe(0)
  })
})

describe('isNewer', () => {
  type Seen = ReturnType<typeof storedLease>
  it.each<[string, Seen, Seen | undefined, boolean]>([
    ['the first version', storedLease('1'), undefined, true],
    ['a longer number', storedLease('10'), storedLease('9'), true],
    ['the same version', storedLease('9'), storedLease('9'), false],
    ['an older version', storedLease('8'), storedLease('9'), false],
    ['another object', storedLease('8', {}, { uid: 'other' }), storedLease('9'), true],
  ])('for %s', (_, seen, known, expected) => {
    expect(isNewer(seen, known)).toBe(expected)
  })
})
