import { describe, expect, it } from 'vitest'
import { OperatorError } from '../../../../lib/errors.ts'
import type { Reason } from '../../../../lib/reasons.ts'
import { followUp, followUpOfPass } from '../../../../lib/reconcile/pass/follow-up.ts'
import {
  datedOutcome,
  failureOutcome,
  type Outcome,
  type Pass,
  requeue,
} from '../../../../lib/reconcile/pass/outcome.ts'
import { somePass } from '../passes.ts'

const now = Date.parse('2026-01-01T00:00:00Z')

function delayOf(outcome: Outcome, pass: Pass = somePass(), random = 0, at = now): number {
  return Date.parse(followUp(outcome, pass, at, random).timers[0]?.due ?? '') - at
}

function retry(error: OperatorError, attempt = 0): Outcome {
  return failureOutcome(error, somePass({ attempt }), 0)
}

describe('the follow-up of a pass', () => {
  it('consists of nothing after a settled or stalled pass', () => {
    for (const outcome of [
      { kind: 'settled' },
      { kind: 'stalled', reason: 'TemplateMissing', message: '' },
    ] as const)
      expect(followUp(outcome, somePass(), now, 0)).toEqual({ timers: [], deadLetter: undefined })
  })

  it('consists of a timer for each uid, with the pod to read and the trace', () => {
    const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const both = somePass({ uids: ['u1', 'u2'], pod: 'a-1', trace })
    const { timers } = followUp(retry(new OperatorError('Internal', 'x')), both, now, 0)
    expect(timers.map(({ key }) => [key.uid, key.pod, key.trace])).toEqual([
      ['u1', 'a-1', trace],
      ['u2', 'a-1', trace],
    ])
  })

  it('lets the instances look again whose claim of a host changed, at once', () => {
    const other = { namespace: 'ctf', name: 'web-2', uid: 'u2' }
    const result = { outcome: { kind: 'settled' }, events: 0, wakes: [other] } as const
    expect(followUpOfPass(result, somePass(), now, 0)).toEqual({
      timers: [
        {
          v: 1,
          key: { ...other, cause: 'retry', attempt: 0, waits: 0 },
          due: new Date(now).toISOString(),
        },
      ],
      deadLetter: undefined,
    })
  })

  it.each<Reason>(['ClusterUnavailable', 'DatabaseUnavailable'])(
    'counts %s as a wait, not as an attempt',
    reason => {
      const outcome = failureOutcome(new OperatorError(reason, 'away'), somePass(), 0)
      expect(followUp(outcome, somePass({ attempt: 5 }), now, 0).timers[0]?.key).toMatchObject({
        attempt: 5,
        waits: 2,
      })
    },
  )

  it('starts the count of attempts again after a pass that did not fail', () => {
    const [timer] = followUp(requeue('Unschedulable', 30_000), somePass(), now, 0).timers
    expect(timer?.key).toMatchObject({ cause: 'retry', attempt: 0, waits: 2 })
  })

  it('keeps the cause that a pass which did not come to its end had to verify, and drops it after one that did', () => {
    const drifting = somePass({ causes: new Set(['changed', 'drift'] as const) })
    const causeOf = (outcome: Outcome) => followUp(outcome, drifting, now, 0).timers[0]?.key.cause
    expect(causeOf(retry(new OperatorError('Internal', 'x')))).toBe('drift')
    expect(causeOf(requeue('DatabaseUnavailable', 2_000))).toBe('drift')
    expect(causeOf(requeue('Unschedulable', 30_000))).toBe('retry')
  })

  it('is due no sooner than the other side asked for', () => {
    const error = new OperatorError('ClusterUnavailable', 'busy', { retryAfterMs: 20_000 })
    expect(delayOf(retry(error))).toBeGreaterThanOrEqual(20_000)
    const counted = new OperatorError('Internal', 'busy', { retryAfterMs: 20_000 })
    expect(delayOf(retry(counted))).toBe(20_000)
  })

  it('keeps a date to the millisecond', () => {
    expect(delayOf(datedOutcome('NotYetAvailable', 4_123))).toBe(4_123)
  })

  it('consists of nothing for a date that the clock of the forwarder holds', () => {
    for (const afterMs of [5_001, 900_000, 86_400_000])
      expect(followUp(datedOutcome('NotYetAvailable', afterMs), somePass(), now, 0).timers).toEqual([])
  })

  it('consists of the dead letter with reason and message after the last attempt', () => {
    const outcome = retry(new OperatorError('Internal', 'broken'), 7)
    expect(followUp(outcome, somePass(), now, 0)).toEqual({
      timers: [],
      deadLetter: { reason: 'Internal: broken' },
    })
  })
})

describe('the follow-up of a pass that has not cleaned up after a predecessor', () => {
  const both = somePass({ uids: ['old', 'new'] })
  const predecessors = { uids: ['old'], outcome: requeue('Terminating', 2_000) }
  const uidsAfter = (outcome: Outcome) =>
    followUpOfPass({ outcome, events: 0, predecessors }, both, now, 0).timers.map(({ key }) => key.uid)

  it('comes back for the predecessor alone if the successor is settled or stalled', () => {
    expect(uidsAfter({ kind: 'settled' })).toEqual(['old'])
    expect(uidsAfter({ kind: 'stalled', reason: 'EnvInvalid', message: '' })).toEqual(['old'])
  })

  it('comes back for each of them at a time of its own', () => {
    const outcome = requeue('QuotaExceeded', 60_000)
    const { timers } = followUpOfPass({ outcome, events: 0, predecessors }, both, now, 0)
    const delays = timers.map(({ key, due }) => [key.uid, Date.parse(due) - now] as const)
    expect(delays).toEqual([
      ['new', expect.any(Number)],
      ['old', expect.any(Number)],
    ])
    expect(delays[0]?.[1]).toBeGreaterThanOrEqual(60_000)
    expect(delays[1]?.[1]).toBeLessThanOrEqual(2_500)
  })

  it('keeps the predecessor out of the dead letter of its successor', () => {
    const outcome = retry(new OperatorError('Internal', 'broken'), 7)
    const { timers, deadLetter } = followUpOfPass({ outcome, events: 0, predecessors }, both, now, 0)
    expect(timers.map(({ key }) => key.uid)).toEqual(['old'])
    expect(deadLetter).toBeDefined()
  })

  it('is that of the outcome if no predecessor is left', () => {
    const outcome = requeue('QuotaExceeded', 60_000)
    expect(followUpOfPass({ outcome, events: 0 }, both, now, 0)).toEqual(followUp(outcome, both, now, 0))
  })
})

describe('the timers of a waiting instance', () => {
  it('meet if their passes end within a grid, and stay apart from those of another instance', () => {
    const ends = Array.from({ length: 200 }, (_, index) => now + index * 100)
    const dues = (pass: Pass) => ends.map(at => at + delayOf(requeue('Unschedulable', 40_000), pass, 0, at))
    const mine = new Set(dues(somePass()))
    expect(mine.size).toBeLessThanOrEqual(4)
    expect(dues(somePass({ name: 'b' })).some(due => mine.has(due))).toBe(false)
  })

  it('are one series after another pass at any time, once the wait is long', () => {
    const dueAfter = (at: number) => at + delayOf(requeue('QuotaExceeded', 150_000), somePass(), 0, at)
    const first = dueAfter(now)
    for (let passAt = first + 1_000; passAt < first + 600_000; passAt += 7_000) {
      let series = first
      while (series < passAt) series = dueAfter(series + 50)
      const other = dueAfter(passAt)
      // The series meet at once, or when the timer fires that is set already.
      expect([series, dueAfter(series + 50)]).toContain(other)
      expect(other - passAt).toBeGreaterThanOrEqual(100_000)
      expect(other - passAt).toBeLessThanOrEqual(300_000)
    }
  })

  it('are never early, and late by a quarter at most', () => {
    for (const afterMs of [1, 500, 2_000, 30_000, 149_999]) {
      const delay = delayOf(requeue('QuotaExceeded', afterMs))
      expect(delay).toBeGreaterThanOrEqual(afterMs)
      expect(delay).toBeLessThanOrEqual(Math.max(afterMs * 1.25, afterMs + 1))
    }
  })
})
