import { describe, expect, it } from 'vitest'
import { annotations } from '../../../../lib/crd/group.ts'
import type { Stored } from '../../../../lib/crd/objects.ts'
import { heldLease, type Lease, leaseTimes, type Writer } from '../../../../lib/kubernetes/lease/record.ts'
import {
  initialSeatState,
  type SeatEffect,
  type SeatInput,
  type SeatState,
  stepSeat,
} from '../../../../lib/kubernetes/lease/seat-step.ts'
import { storedLease, writer } from './leases.ts'

const start = Date.parse('2026-05-01T12:00:00Z')
const { durationMs, renewMs, retryMs } = leaseTimes
const leaveAfterMs = 810_000

interface Renewal {
  agoMs?: number
  standsBy?: boolean
  deployedAt?: string
}

/** The Lease of a seat, renewed at some time before `now`. */
function held(
  by: string,
  now: number,
  { agoMs = 0, standsBy = false, deployedAt }: Renewal = {},
): Stored<Lease> {
  const claim = { namespace: 'ctf', name: 'l', identity: by, durationMs, writer: { ...writer, deployedAt } }
  const { spec, metadata } = heldLease(claim, storedLease('6'), now - agoMs)
  const standing = standsBy ? { [annotations.standsBy]: 'true' } : {}
  return storedLease('7', spec, { annotations: { ...metadata.annotations, ...standing } })
}

/** A window that is fed by the test. Effects are shortened to one line each. */
function windowOf(own: Partial<Writer> = {}) {
  let state: SeatState = initialSeatState
  let now = start
  const candidate = {
    namespace: 'ctf',
    names: ['a', 'b'],
    identity: 'one',
    writer: { ...writer, ...own },
    times: leaseTimes,
    leaveAt: start + leaveAfterMs,
    seekUntil: start + 50_000,
  }
  const feed = (input: SeatInput): string[] => {
    const [next, effects] = stepSeat(state, input, { candidate, now })
    state = next
    return effects.map(line)
  }
  return {
    feed,
    /** Reads the seats. @returns the effects */
    find(seats: (Stored<Lease> | undefined)[], lead?: Lease): string[] {
      feed({ type: 'begin' })
      return feed({ type: 'read', seats, lead })
    },
    /** Takes the first seat. */
    sit(): void {
      this.find([undefined, undefined])
      feed({ type: 'written', lease: held('one', now) })
    },
    pass(ms: number): void {
      now += ms
    },
    get now() {
      return now
    },
  }
}

function line(effect: SeatEffect): string {
  if (effect.do === 'log') return `${effect.level} ${effect.message}`
  if (effect.do === 'wait') return `wait ${effect.ms}`
  if (effect.do !== 'write') return effect.do
  const { metadata, spec } = effect.lease
  const standsBy = metadata.annotations?.[annotations.standsBy] === 'true' ? ', standing by' : ''
  return `write ${effect.seat} for ${spec?.holderIdentity || 'nobody'}${standsBy}`
}

describe('a window that begins', () => {
  it('takes the first free seat, and works once it has it', () => {
    const one = windowOf()
    expect(one.find([held('two', start), undefined])).toEqual(['write 1 for one'])
    expect(one.feed({ type: 'written', lease: held('one', start) })).toEqual(['begin', `wait ${renewMs}`])
  })

  it('ends at once if both seats are held', () => {
    const one = windowOf()
    expect(one.find([held('two', start), held('three', start, { agoMs: durationMs - 1 })])).toEqual(['end'])
  })

  it('takes the seat of a window that has died', () => {
    const died = held('three', start, { agoMs: durationMs + 1 })
    expect(windowOf().find([held('two', start), died])).toEqual(['write 1 for one'])
  })

  it('takes the seat of an earlier deployment at once, but not of its own', () => {
    const earlier = held('two', start, { deployedAt: '2026-05-01T10:00:00Z' })
    const own = held('three', start, { deployedAt: '2026-05-01T11:00:00Z' })
    const newer = () => windowOf({ deployedAt: '2026-05-01T11:00:00Z' })
    expect(newer().find([own, earlier])).toEqual(['write 1 for one'])
    expect(newer().find([own, own])).toEqual(['end'])
  })

  it('looks again if another window was faster, and ends if that was the last seat', () => {
    const one = windowOf()
    one.find([held('two', start), undefined])
    expect(one.feed({ type: 'conflict' })).toEqual(['read'])
    const seats = [held('two', start), held('three', start)]
    expect(one.feed({ type: 'read', seats, lead: undefined })).toEqual(['end'])
  })

  it('ends with an error if the cluster belongs to another installation', () => {
    const lead = storedLease('1', {}, { annotations: { [annotations.stack]: 'theirs' } })
    expect(windowOf({ stack: 'ours' }).find([undefined, undefined], lead)).toEqual([
      'error the cluster belongs to another installation, nothing is sent',
      'end',
    ])
  })

  it('tries to reach the cluster until the next window begins', () => {
    const one = windowOf()
    one.feed({ type: 'begin' })
    const away = { type: 'failed', reason: 'ClusterUnavailable', message: '503' } as const
    const said = 'info seat could not be reached, trying again'
    expect(one.feed(away)).toEqual([said, `wait ${retryMs}`])
    one.pass(50_000)
    expect(one.feed({ type: 'waited' })).toEqual(['read'])
    expect(one.feed(away)).toEqual([said, 'end'])
  })
})

describe('a window with a seat', () => {
  it('renews it, and says when it stands by', () => {
    const one = windowOf()
    one.sit()
    one.pass(renewMs)
    expect(one.feed({ type: 'waited' })).toEqual(['write 0 for one'])
    one.feed({ type: 'written', lease: held('one', one.now) })
    one.feed({ type: 'listed' })
    expect(one.feed({ type: 'waited' })).toEqual(['write 0 for one, standing by'])
  })

  it('works on while the cluster is away', () => {
    const one = windowOf()
    one.sit()
    one.pass(600_000)
    one.feed({ type: 'waited' })
    const away = { type: 'failed', reason: 'ClusterUnavailable', message: '503' } as const
    expect(one.feed(away)).toEqual(['info seat could not be reached, trying again', `wait ${retryMs}`])
    expect(one.feed({ type: 'waited' })).toEqual(['write 0 for one'])
  })

  it('gives it up some time before its end, and ends when its successor stands by', () => {
    const one = windowOf()
    one.sit()
    one.pass(leaveAfterMs - 1_000)
    one.feed({ type: 'waited' })
    expect(one.feed({ type: 'written', lease: held('one', one.now) })).toEqual(['wait 1000'])
    one.pass(1_000)
    expect(one.feed({ type: 'waited' })).toEqual(['write 0 for nobody'])
    expect(one.feed({ type: 'written', lease: held('', one.now) })).toEqual([`wait ${renewMs}`])
    expect(one.feed({ type: 'waited' })).toEqual(['read'])
    const seats = (lease: Stored<Lease>) => [lease, undefined]
    const lead = undefined
    expect(one.feed({ type: 'read', seats: seats(held('', one.now)), lead })).toEqual([`wait ${renewMs}`])
    expect(one.feed({ type: 'read', seats: seats(held('two', one.now)), lead })).toEqual([`wait ${renewMs}`])
    const standing = held('two', one.now, { standsBy: true })
    expect(one.feed({ type: 'read', seats: seats(standing), lead })).toEqual(['end'])
  })

  it('works on when another has taken its seat, until that one stands by', () => {
    const one = windowOf()
    one.sit()
    one.pass(renewMs)
    one.feed({ type: 'waited' })
    expect(one.feed({ type: 'conflict' })).toEqual(['read'])
    const lead = undefined
    expect(one.feed({ type: 'read', seats: [held('two', one.now), undefined], lead })).toEqual([
      'info seat is taken by another forwarder, working on until it stands by',
      `wait ${renewMs}`,
    ])
    one.feed({ type: 'waited' })
    const standing = held('two', one.now, { standsBy: true })
    expect(one.feed({ type: 'read', seats: [standing, undefined], lead })).toEqual(['end'])
  })

  it('does not take a successor that has died for one that stands by', () => {
    const one = windowOf()
    one.sit()
    one.pass(leaveAfterMs)
    one.feed({ type: 'waited' })
    one.feed({ type: 'written', lease: held('', one.now) })
    one.feed({ type: 'waited' })
    const died = held('two', one.now, { standsBy: true, agoMs: durationMs + 1 })
    expect(one.feed({ type: 'read', seats: [died, undefined], lead: undefined })).toEqual([`wait ${renewMs}`])
  })
})
