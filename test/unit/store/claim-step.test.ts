import { describe, expect, it } from 'vitest'
import { type KnownClaim, nextClaimant, stepOf } from '../../../lib/store/claim-step.ts'

const key = (uid: string) => ({ namespace: 'default', name: `web-${uid}`, uid })
const asking = (uid: string, createdAt: number) => ({ ...key(uid), createdAt })
const known = (uid: string, createdAt: number, changes: Partial<KnownClaim> = {}): KnownClaim => ({
  ...asking(uid, createdAt),
  state: 'held',
  live: true,
  ...changes,
})

describe('stepOf', () => {
  it('gives a free host to the one that asks', () => {
    expect(stepOf([], asking('a', 1))).toEqual({
      holder: key('a'),
      state: 'held',
      changes: true,
      dead: [],
      displaced: [],
      wakes: [],
    })
  })

  it('changes nothing when the holder asks again', () => {
    expect(stepOf([known('a', 1)], asking('a', 1))).toMatchObject({ state: 'held', changes: false })
  })

  it('changes nothing when the one that waits asks again', () => {
    const claims = [known('a', 1), known('b', 2, { state: 'waiting' })]
    expect(stepOf(claims, asking('b', 2))).toMatchObject({
      holder: key('a'),
      state: 'waiting',
      changes: false,
      wakes: [],
    })
  })

  it('lets the younger one wait, and decides by the uid between instances of one second', () => {
    expect(stepOf([known('a', 1)], asking('b', 2))).toMatchObject({ holder: key('a'), state: 'waiting' })
    expect(stepOf([known('a', 1)], asking('b', 1))).toMatchObject({ holder: key('a'), state: 'waiting' })
    expect(stepOf([known('b', 1)], asking('a', 1))).toMatchObject({ holder: key('a'), displaced: ['b'] })
  })

  it('takes the host from a younger one and wakes it until it has asked again', () => {
    expect(stepOf([known('b', 2)], asking('a', 1))).toMatchObject({
      state: 'held',
      displaced: ['b'],
      wakes: [key('b')],
    })
    const later = [known('a', 1), known('b', 2, { state: 'displaced' })]
    expect(stepOf(later, asking('a', 1))).toMatchObject({ changes: false, wakes: [key('b')] })
    expect(stepOf(later, asking('b', 2))).toMatchObject({ state: 'waiting', changes: true, wakes: [] })
    const told = [known('a', 1), known('b', 2, { state: 'waiting' })]
    expect(stepOf(told, asking('a', 1))).toMatchObject({ changes: false, wakes: [] })
  })

  it('passes over claims of instances that are gone, and removes them', () => {
    expect(stepOf([known('a', 1, { live: false })], asking('b', 2))).toMatchObject({
      holder: key('b'),
      state: 'held',
      dead: ['a'],
      wakes: [],
    })
  })

  it('renews an own claim that counts no more', () => {
    expect(stepOf([known('a', 1, { live: false })], asking('a', 1))).toMatchObject({
      state: 'held',
      changes: true,
      dead: [],
    })
  })

  it('wakes the oldest one that waits when the host is free for it', () => {
    const claims = [known('a', 1, { live: false }), known('b', 2, { state: 'waiting' })]
    expect(stepOf(claims, asking('c', 3))).toMatchObject({
      holder: key('b'),
      state: 'waiting',
      wakes: [key('b')],
    })
  })
})

describe('nextClaimant', () => {
  it('is the oldest one that lives and does not hold the host', () => {
    const waiting = [
      known('c', 3, { state: 'waiting' }),
      known('b', 2, { state: 'displaced' }),
      known('a', 1, { live: false }),
    ]
    expect(nextClaimant(waiting)).toEqual([key('b')])
    expect(nextClaimant([known('a', 1), ...waiting.slice(0, 2)])).toEqual([])
    expect(nextClaimant([])).toEqual([])
  })
})
