import { describe, expect, it } from 'vitest'
import { annotations } from '../../../../lib/crd/group.ts'
import type { Stored } from '../../../../lib/crd/objects.ts'
import { type Lease, leaseTimes, type Writer } from '../../../../lib/kubernetes/lease/record.ts'
import {
  initialLeaseState,
  type LeaseEffect,
  type LeaseInput,
  type LeaseState,
  stepLease,
} from '../../../../lib/kubernetes/lease/step.ts'
import { storedLease, writer } from './leases.ts'

const unnamed = { namespace: 'ctf', name: 'l', identity: 'one', times: leaseTimes, writer }
const start = Date.parse('2026-05-01T12:00:00Z')
const { durationMs, renewMs, retryMs, warnAfterMs } = leaseTimes

/** A lease that names a standby already. Each version is a renewal. */
function held(by: string, resourceVersion: string, own?: Record<string, string>): Stored<Lease> {
  return unannounced(by, resourceVersion, { [annotations.standby]: 'another', ...own })
}

function unannounced(by: string, resourceVersion: string, own?: Record<string, string>): Stored<Lease> {
  const renewTime = `2026-05-01T12:00:00.${resourceVersion.padStart(6, '0')}Z`
  const spec = {
    holderIdentity: by,
    leaseDurationSeconds: durationMs / 1_000,
    leaseTransitions: 0,
    renewTime,
  }
  return storedLease(resourceVersion, spec, { annotations: own })
}

const away: LeaseInput = { type: 'failed', reason: 'ClusterUnavailable', message: '503 away' }

/** An election that is fed by the test. Effects are shortened to one line each. */
function election({ ready = true, ...own }: Partial<Writer> & { ready?: boolean } = {}) {
  const candidate = { ...unnamed, writer: { ...writer, ...own } }
  let state: LeaseState = initialLeaseState(start, { ready })
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
  if (effect.do === 'follow') return effect.inOrder ? 'follow in order' : 'follow'
  if (effect.do !== 'write') return effect.do
  const { metadata, spec } = effect.lease
  return `write ${spec?.holderIdentity} over ${metadata.resourceVersion ?? 'nothing'}`
}

describe('a lease whose versions have gone back, as after a restore of etcd', () => {
  it('is renewed by its leader over the version that a read shows', () => {
    const one = election()
    one.begin(undefined)
    one.feed({ type: 'written', lease: held('one', '5000') })
    one.pass(renewMs)
    expect(one.feed({ type: 'waited' })).toEqual(['write one over 5000'])
    expect(one.feed({ type: 'conflict' })).toEqual(['read'])
    one.feed({ type: 'read', lease: held('one', '3000') })
    expect(one.feed({ type: 'waited' })).toEqual(['write one over 3000'])
    expect(one.feed({ type: 'written', lease: held('one', '3001') })).toEqual([`wait ${renewMs}`])
    expect(one.state.leading).toBe(true)
  })

  it('is taken by a follower when its holder does not renew the version that a read shows', () => {
    const one = election()
    one.begin(held('two', '5000'))
    one.pass(renewMs + retryMs)
    expect(one.feed({ type: 'waited' })).toEqual(['read'])
    one.feed({ type: 'read', lease: held('two', '3000') })
    one.pass(durationMs - 1)
    expect(one.feed({ type: 'waited' })).toEqual(['read'])
    one.feed({ type: 'read', lease: held('two', '3000') })
    one.pass(1)
    expect(one.feed({ type: 'waited' })).toEqual(['write one over 3000'])
  })

  it('does not hide what the watch has told during the read', () => {
    const one = election()
    one.begin(held('two', '5'))
    one.pass(renewMs + retryMs)
    expect(one.feed({ type: 'waited' })).toEqual(['read'])
    one.feed({ type: 'seen', lease: held('two', '7') })
    one.feed({ type: 'read', lease: held('two', '6') })
    expect(one.state.lease?.metadata.resourceVersion).toBe('7')
  })
})

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

  it('takes a lease at once whose holder died before, and waits for the rest of its time otherwise', () => {
    const [early, late] = [election(), election()]
    early.pass(10_000)
    // It has been silent for longer than a holder that lives.
    expect(early.begin(held('two', '7'))).toEqual(['read'])
    early.pass(durationMs + 1_000 - 10_000)
    expect(early.feed({ type: 'read', lease: held('two', '7') })).toEqual(['wait 1000'])
    late.pass(durationMs + 2_000)
    expect(late.begin(held('two', '7'))).toEqual(['write one over 7'])
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

  it('writes on the lease that it stands by, once, if no other does', () => {
    const one = election()
    expect(one.begin(unannounced('two', '1'))).toEqual(['write two over 1'])
    const announced = held('two', '2', { [annotations.standby]: 'one' })
    expect(one.feed({ type: 'written', lease: announced })).toEqual([`wait ${retryMs}`])
    expect(one.feed({ type: 'seen', lease: held('two', '3') })).toEqual([`wait ${renewMs + retryMs}`])
  })

  it('does not write that it stands by before it is able to lead', () => {
    const one = election({ ready: false })
    expect(one.begin(unannounced('two', '1'))).toEqual([`wait ${renewMs + retryMs}`])
    expect(one.feed({ type: 'ready' })).toEqual(['write two over 1'])
  })

  it('does not wait longer for a holder that died, because a standby wrote its name', () => {
    const one = election()
    one.begin(held('two', '1'))
    one.pass(durationMs - 1)
    const dead = held('two', '1', { [annotations.standby]: 'three' })
    const named = { ...dead, metadata: { ...dead.metadata, resourceVersion: '2' } }
    expect(one.feed({ type: 'seen', lease: named })).toEqual(['read'])
    one.pass(1)
    expect(one.feed({ type: 'read', lease: named })).toEqual(['wait 0'])
    expect(one.feed({ type: 'waited' })).toEqual(['write one over 2'])
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

  it('that has given the lease up leads on until another holder shows, and then follows in order', () => {
    const one = election()
    one.lead()
    expect(one.feed({ type: 'seen', lease: held('', '2') })).toEqual([])
    expect(one.feed({ type: 'seen', lease: held('two', '3') })).toEqual([
      'info lease was given up and is taken, handing over',
      'follow in order',
      `wait ${renewMs + retryMs}`,
    ])
  })

  it('follows as soon as the watch reports another holder', () => {
    const one = election()
    one.lead()
    expect(one.feed({ type: 'seen', lease: held('two', '2') })).toEqual([
      'warn lease is held by another, following',
      'follow in order',
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
      'follow in order',
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

describe('a candidate that has not listed everything', () => {
  it('takes no lease, and does so as soon as it is ready', () => {
    const one = election({ ready: false })
    expect(one.begin(undefined)).toEqual([`wait ${renewMs + retryMs}`])
    expect(one.feed({ type: 'ready' })).toEqual(['write one over nothing'])
  })

  it('does not read in a loop while a free lease waits for it', () => {
    const one = election({ ready: false })
    one.begin(held('', '1'))
    one.pass(renewMs + retryMs)
    expect(one.feed({ type: 'waited' })).toEqual(['read'])
    expect(one.feed({ type: 'read', lease: held('', '1') })).toEqual([`wait ${retryMs}`])
  })

  it('becomes ready during a call', () => {
    const one = election({ ready: false })
    one.feed({ type: 'begin' })
    expect(one.feed({ type: 'ready' })).toEqual([])
    expect(one.feed({ type: 'read', lease: undefined })).toEqual(['write one over nothing'])
  })
})

describe('what was deployed later', () => {
  const early = { [annotations.deployedAt]: '2026-05-01T11:00:00Z' }
  const late = { [annotations.deployedAt]: '2026-05-01T11:30:00Z' }

  it('takes the lease of an earlier deployment once it is ready', () => {
    const newer = election({ deployedAt: '2026-05-01T11:30:00Z', ready: false })
    newer.begin(held('two', '1', early))
    expect(newer.feed({ type: 'ready' })).toEqual(['write one over 1'])
  })

  it.each([
    ['the same deployment', late],
    ['an unknown deployment', undefined],
  ])('waits for a lease of %s', (_, annotated) => {
    const one = election({ deployedAt: '2026-05-01T11:30:00Z' })
    expect(one.begin(held('two', '1', annotated))).toEqual([`wait ${renewMs + retryMs}`])
  })

  it('makes an earlier leader hand over in order', () => {
    const older = election({ deployedAt: '2026-05-01T11:00:00Z' })
    older.lead()
    expect(older.feed({ type: 'seen', lease: held('two', '2', late) })).toEqual([
      'info lease is taken by what was deployed later, handing over',
      'follow in order',
      `wait ${renewMs + retryMs}`,
    ])
  })
})

describe('a process that did not run for a while', () => {
  const resumed: LeaseInput = { type: 'resumed', afterMs: 60_000 }
  const doubts = [
    'info the process did not run for a while, the lease is renewed before anything is sent',
    'doubt',
  ]

  it('renews a lease that it still holds before it sends', () => {
    const one = election()
    one.lead()
    one.pass(60_000)
    expect(one.feed(resumed)).toEqual([...doubts, 'write one over 1'])
    expect(one.feed({ type: 'written', lease: held('one', '2') })).toEqual(['confirm', `wait ${renewMs}`])
  })

  it('is not certain of its lease while the API server is away', () => {
    const one = election()
    one.lead()
    one.pass(60_000)
    one.feed(resumed)
    one.feed(away)
    expect(one.state).toMatchObject({ leading: true, doubted: true })
  })

  it('follows at once, and not in order, if another has taken its lease', () => {
    const one = election()
    one.lead()
    one.pass(60_000)
    one.feed(resumed)
    expect(one.feed({ type: 'conflict' })).toEqual(['read'])
    expect(one.feed({ type: 'read', lease: held('two', '3') })).toEqual([
      'warn lease is held by another, following',
      'follow',
      `wait ${retryMs}`,
    ])
  })

  it('does not follow in order either if the watch is the first to tell', () => {
    const one = election()
    one.lead()
    one.pass(60_000)
    expect(one.feed({ type: 'seen', lease: held('two', '3') })).toContain('follow')
  })

  it('reads the lease as a follower, whatever it has seen before', () => {
    const one = election()
    one.begin(held('two', '1'))
    one.pass(60_000)
    expect(one.feed(resumed)).toEqual(['read'])
  })
})

describe('another installation', () => {
  const theirs = { [annotations.stack]: 'theirs' }
  const said = 'error the cluster belongs to another installation, nothing is sent'

  it('never takes the lease of the owner, be it free, and says so once', () => {
    const one = election({ stack: 'ours' })
    expect(one.begin(held('', '1', theirs))).toEqual([said, `wait ${renewMs + retryMs}`])
    one.pass(durationMs)
    expect(one.feed({ type: 'waited' })).toEqual(['read'])
    expect(one.feed({ type: 'read', lease: held('', '1', theirs) })).toEqual([`wait ${retryMs}`])
  })

  it('without a name does not either', () => {
    expect(election().begin(held('', '1', theirs))).toContain(said)
  })

  it('leads as soon as it is made the owner', () => {
    const one = election({ stack: 'theirs' })
    one.begin(held('two', '1', { [annotations.stack]: 'others' }))
    expect(one.feed({ type: 'seen', lease: held('', '2', theirs) })).toEqual(['write one over 2'])
  })

  it('makes a leader follow that is the owner no more', () => {
    const one = election({ stack: 'ours' })
    one.lead()
    expect(one.feed({ type: 'seen', lease: held('one', '2', theirs) })).toEqual([
      said,
      'follow in order',
      `wait ${renewMs + retryMs}`,
    ])
  })
})
