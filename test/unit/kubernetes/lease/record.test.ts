import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { annotations } from '../../../../lib/crd/group.ts'
import {
  announcedLease,
  heldLease,
  isForeign,
  isLater,
  isNewer,
  isOutdated,
  leaseKind,
  leaseTimes,
  releasedLease,
  standbyOf,
  takeableInMs,
} from '../../../../lib/kubernetes/lease/record.ts'
import { storedLease, writer } from './leases.ts'

const now = Date.parse('2026-05-01T12:00:00.250Z')
const claim = { namespace: 'ctf', name: 'l', identity: 'one', durationMs: 2_500, writer }
const versioned = { [annotations.version]: '1.2.3' }

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
      metadata: { namespace: 'ctf', name: 'l', annotations: versioned },
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

describe('the standby that a lease names', () => {
  const lease = announcedLease(storedLease('7', { holderIdentity: 'one' }), 'two')

  it('stays while the holder renews', () => {
    const stored = { ...lease, metadata: { ...storedLease('8').metadata, ...lease.metadata } }
    expect(standbyOf(heldLease(claim, stored, now))).toBe('two')
    expect(standbyOf(releasedLease(stored, now))).toBe('two')
  })

  it('goes when the lease gets another holder', () => {
    const stored = { ...lease, metadata: { ...storedLease('8').metadata, ...lease.metadata } }
    expect(standbyOf(heldLease({ ...claim, identity: 'two' }, stored, now))).toBeUndefined()
  })
})

describe('the writer of a lease', () => {
  const { stack, deployedAt, version } = annotations
  const early = '2026-05-01T11:00:00Z'
  const late = '2026-05-01T11:00:00.5Z'
  const by = (own: Record<string, string>) =>
    storedLease('1', { holderIdentity: 'two' }, { annotations: own })

  it('stands in annotations, beside those of others', () => {
    const before = by({ note: 'kept', [version]: '1.0.0', [stack]: 'a', [deployedAt]: early })
    const signed = heldLease(
      { ...claim, writer: { stack: 'a', deployedAt: late, version: '1.1.0' } },
      before,
      now,
    )
    expect(signed.metadata.annotations).toEqual({
      note: 'kept',
      [stack]: 'a',
      [deployedAt]: late,
      [version]: '1.1.0',
    })
  })

  it('leaves no time of its predecessor behind if it has none', () => {
    const signed = heldLease(claim, by({ [deployedAt]: early }), now)
    expect(signed.metadata.annotations).toEqual(versioned)
  })

  it.each([
    [undefined, undefined, false],
    ['a', undefined, false],
    ['a', 'a', false],
    ['a', 'b', true],
    [undefined, 'b', true],
  ])('named %s is foreign to a lease of %s: %s', (own, owner, expected) => {
    const lease = by(owner === undefined ? {} : { [stack]: owner })
    expect(isForeign(lease, { stack: own })).toBe(expected)
  })

  it.each([
    [late, early, true, false],
    [early, late, false, true],
    [early, early, false, false],
    [undefined, early, false, false],
    [late, undefined, false, false],
  ])(
    'of %s makes a holder of %s outdated: %s, or is outdated itself: %s',
    (own, holders, outdated, later) => {
      const lease = by(holders === undefined ? {} : { [deployedAt]: holders })
      expect([isOutdated(lease, { deployedAt: own }), isLater(lease, { deployedAt: own })]).toEqual([
        outdated,
        later,
      ])
    },
  )
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
