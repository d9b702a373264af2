import { describe, expect, it } from 'vitest'
import type { Stored } from '../../../../lib/crd/objects.ts'
import { type Lease, leaseTimes } from '../../../../lib/kubernetes/lease/record.ts'
import {
  initialLeaseState,
  type LeaseEffect,
  type LeaseInput,
  type LeaseState,
  stepLease,
} from '../../../../lib/kubernetes/lease/step.ts'
import { storedLease } from './leases.ts'

const candidate = { namespace: 'ctf', name: 'l', identity: 'one', times: leaseTimes }
const start = Date.parse('2026-05-01T12:00:00Z')
const { durationMs, renewMs, retryMs, warnAfterMs } = leaseTimes

function held(by: string, resourceVersion: string, uid = 'u'): Stored<Lease> {
  const spec = { holderIdentity: by, leaseDurationSeconds: durationMs / 1_000, leaseTransitions: 0 }
  return storedLease(resourceVersion, spec, { uid })
}

const away: LeaseInput = { type: 'failed', reason: 'ClusterUnavailable', message: '503 away' }

/** An election that is fed by the test. Effects are shortened to one line each. */
function election() {
  let state: LeaseState = initialLeaseState(start)
  let now = start
  const feed = (input: LeaseInput): string[] => {
    const [next, effects] = stepLease(state, input, { candidate, now })
    state = next
    return effects.map(line)
  }
  return {
    feed,
    /** Begins, and reads the lease. */
    begin(lease: Stored<Lease> | undefined): string[] {
      feed({ type: 'begin' })
      return feed({ type: 'read', lease })
    },
    /** Begins without a lease, takes it and leads. */
    lead(): void {
      this.begin(undefined)
      feed({ type: 'written', lease: held('one', '1') })
    },
    pass(ms: number): void {
      now += ms
    },
    get state() {
      return state
    },
  }
}

function line(effect: LeaseEffect): string {
  if (effect.do === 'log') return `${effect.level} ${effect.message}`
  if (effect.do === 'wait') return `wait ${effect.ms}`
  if (effect.do !== 'write') return effect.do
  const { metadata, spec } = effect.lease
  return `write ${spec?.holderIdentity} over ${metadata.resourceVersion ?? 'nothing'}`
}

describe('the first step', () => {
  it('reads the lease', () => {
    expect(election().feed({ type: 'begin' })).toEqual(['read'])
  })

  it('reads again after a failed first read', () => {
    const one = election()
    one.feed({ type: 'begin' })
    expect(one.feed(away)).toEqual(['info lease could not be reached, trying again', `wait ${retryMs}`])
    expect(one.feed({ type: 'waited' })).toEqual(['read'])
  })
})

describe('a candidate', () => {
  it('creates a lease that does not exist', () => {
    expect(election().begin(undefined)).toEqual(['write one over nothing'])
  })

  it('takes a lease without a holder at once', () => {
    expect(election().begin(held('', '7'))).toEqual(['write one over 7'])
  })

  it('takes a lease that it holds already, after a restart under the same identity', () => {
    expect(election().begin(held('one', '7'))).toEqual(['write one over 7'])
  })

  it('leads once its write has succeeded, and waits until the renewal', () => {
    const one = election()
    one.begin(undefined)
    expect(one.feed({ type: 'written', lease: held('one', '1') })).toEqual([
      'info lease is ours, leading',
      'lead',
      `wait ${renewMs}`,
    ])
  })

  it('does not lead if the watch was faster than its answer and reports another holder', () => {
    const one = election()
    one.begin(held('', '7'))
    expect(one.feed({ type: 'seen', lease: held('two', '9') })).toEqual([])
    expect(one.feed({ type: 'written', lease: held('one', '8') })).toEqual([`wait ${renewMs + retryMs}`])
    expect(one.state.leading).toBe(false)
  })

  it('reads again and waits after a lost race', () => {
    const one = election()
    one.begin(undefined)
    expect(one.feed({ type: 'conflict' })).toEqual(['read'])
    expect(one.feed({ type: 'read', lease: held('two', '1') })).toEqual([`wait ${retryMs}`])
    expect(one.state.leading).toBe(false)
  })
})

describe('a follower', () => {
  it('makes no call while the watch reports renewals', () => {
    const two = election()
    expect(two.begin(held('two', '1'))).toEqual([`wait ${renewMs + retryMs}`])
    for (const version of ['2', '3', '4']) {
      two.pass(renewMs)
      expect(two.feed({ type: 'seen', lease: held('two', version) })).toEqual([`wait ${renewMs + retryMs}`])
    }
  })

  it('reads the lease if the watch is silent, and takes it after its duration', () => {
    const one = election()
    one.begin(held('two', '1'))
    one.pass(renewMs + retryMs)
    expect(one.feed({ type: 'waited' })).toEqual(['read'])
    expect(one.feed({ type: 'read', lease: held('two', '1') })).toEqual([`wait ${retryMs}`])
    one.pass(durationMs - renewMs - retryMs)
    expect(one.feed({ type: 'waited' })).toEqual(['write one over 1'])
  })

  it('waits for the whole duration again after a renewal that only a read shows', () => {
    const one = election()
    one.begin(held('two', '1'))
    one.pass(durationMs - 1)
    expect(one.feed({ type: 'waited' })).toEqual(['read'])
    one.feed({ type: 'read', lease: held('two', '2') })
    one.pass(retryMs)
    expect(one.feed({ type: 'waited' })).toEqual([`wait ${renewMs}`])
  })

  it('takes a lease at once that the watch reports as given up', () => {
    const one = election()
    one.begin(held('two', '1'))
    expect(one.feed({ type: 'seen', lease: held('', '2') })).toEqual(['write one over 2'])
  })

  it('takes a lease at once that the watch reports as deleted', () => {
    const one = election()
    one.begin(held('two', '1'))
    expect(one.feed({ type: 'gone', uid: 'u' })).toEqual(['write one over nothing'])
  })

  it('acts on a change that the watch reported during a call', () => {
    const one = election()
    one.begin(held('two', '1'))
    one.pass(renewMs + retryMs)
    one.feed({ type: 'waited' })
    expect(one.feed({ type: 'seen', lease: held('', '2') })).toEqual([])
    expect(one.feed({ type: 'read', lease: held('', '2') })).toEqual(['write one over 2'])
  })

  it('ignores a version that is older than the known one', () => {
    const one = election()
    one.begin(held('two', '5'))
    expect(one.feed({ type: 'seen', lease: held('', '4') })).toEqual([])
  })
})

describe('a leader', () => {
  it('renews by the clock', () => {
    const one = election()
    one.lead()
    one.pass(renewMs)
    expect(one.feed({ type: 'waited' })).toEqual(['write one over 1'])
    expect(one.feed({ type: 'written', lease: held('one', '2') })).toEqual([`wait ${renewMs}`])
  })

  it('makes no call when the watch reports its own write', () => {
    const one = election()
    one.begin(undefined)
    expect(one.feed({ type: 'seen', lease: held('one', '1') })).toEqual([])
    const effects = one.feed({ type: 'written', lease: held('one', '1') })
    expect(effects.at(-1)).toBe(`wait ${renewMs}`)
  })

  it('renews over the version of another writer who left the holder', () => {
    const one = election()
    one.lead()
    expect(one.feed({ type: 'seen', lease: held('one', '2') })).toEqual([])
    expect(one.feed({ type: 'waited' })).toEqual(['write one over 2'])
  })

  it('creates a deleted lease at once, and leads on', () => {
    const one = election()
    one.lead()
    expect(one.feed({ type: 'gone', uid: 'u' })).toEqual(['write one over nothing'])
    expect(one.state.leading).toBe(true)
  })

  it('ignores the late deletion of a predecessor of its lease', () => {
    const one = election()
    one.lead()
    expect(one.feed({ type: 'gone', uid: 'predecessor' })).toEqual([])
  })

  it('follows as soon as the watch reports another holder', () => {
    const one = election()
    one.lead()
    expect(one.feed({ type: 'seen', lease: held('two', '2') })).toEqual([
      'warn lease is held by another, following',
      'follow',
      `wait ${renewMs + retryMs}`,
    ])
  })

  it('follows if a read after a lost race shows another holder', () => {
    const one = election()
    one.lead()
    one.pass(renewMs)
    one.feed({ type: 'waited' })
    one.feed({ type: 'conflict' })
    expect(one.feed({ type: 'read', lease: held('two', '2') })).toEqual([
      'warn lease is held by another, following',
      'follow',
      `wait ${retryMs}`,
    ])
  })

  it('leads on while the API server is away, and warns once it could not renew for long', () => {
    const one = election()
    one.lead()
    one.pass(renewMs)
    one.feed({ type: 'waited' })
    expect(one.feed(away)).toEqual(['info lease could not be reached, trying again', `wait ${retryMs}`])
    one.pass(warnAfterMs)
    one.feed({ type: 'waited' })
    expect(one.feed(away)).toEqual([
      'warn lease could not be renewed, leading on until another holder shows',
      `wait ${retryMs}`,
    ])
    expect(one.state.leading).toBe(true)
  })
})

describe('a failure', () => {
  it('is an error if the role is missing, since nothing is sent without the lease', () => {
    const one = election()
    one.feed({ type: 'begin' })
    const effects = one.feed({ type: 'failed', reason: 'Forbidden', message: '403' })
    expect(effects).toEqual(['error lease is not allowed to us; check the role', `wait ${retryMs}`])
  })
})
