import { describe, expect, it } from 'vitest'
import { OperatorError } from '../../../lib/errors.ts'
import type { Reason } from '../../../lib/reasons.ts'
import {
  awayMs,
  backoffMs,
  failed,
  followUp,
  maxAttempts,
  type Outcome,
  type Pass,
  waitMs,
} from '../../../lib/reconcile/outcome.ts'

const now = Date.parse('2026-01-01T00:00:00Z')
const pass: Pass = {
  namespace: 'ns',
  name: 'a',
  uids: ['u1'],
  causes: new Set(['changed']),
  pod: undefined,
  attempt: 2,
  waits: 1,
}

function requeue(reason: Reason, afterMs: number): Outcome {
  return { kind: 'requeue', afterMs, reason, counted: false }
}

function delayOf(outcome: Outcome, of: Pass = pass, random = 0, at = now): number {
  return Date.parse(followUp(outcome, of, at, random).timers[0]?.due ?? '') - at
}

describe('how long is waited', () => {
  it.each([
    ['backoff', backoffMs, 1_000, 2_000, 300_000],
    ['wait', waitMs, 30_000, 60_000, 300_000],
    ['away', awayMs, 2_000, 4_000, 60_000],
  ])('does %s double from its first to its longest, always jittered', (_, delay, first, second, longest) => {
    expect(delay(0, 0)).toBe(first)
    expect(delay(1, 0)).toBe(second)
    expect(delay(0, 0.999)).toBeGreaterThan(first * 1.9)
    expect(delay(60, 0)).toBe(longest / 2)
    expect(delay(60, 0.999_999)).toBeLessThanOrEqual(longest)
  })
})

describe('which failures count', () => {
  it('does the eighth in a row go to the dead letters', () => {
    const error = new OperatorError('Internal', 'broken')
    const exhausted = Array.from({ length: maxAttempts }, (_, attempt) => failed(error, attempt).exhausted)
    expect(exhausted).toEqual([false, false, false, false, false, false, false, true])
  })

  it.each<Reason>(['ClusterUnavailable', 'DatabaseUnavailable'])('does %s never, however long', reason => {
    const error = new OperatorError(reason, 'away')
    const outcome = failed(error, 1_000)
    expect(outcome.exhausted).toBe(false)
    expect(followUp(outcome, { ...pass, attempt: 5 }, now, 0).timers[0]?.key).toMatchObject({
      attempt: 5,
      waits: 2,
    })
  })

  it('does a pass that did not fail start the count again', () => {
    const [timer] = followUp(requeue('Unschedulable', 30_000), pass, now, 0).timers
    expect(timer?.key).toMatchObject({ cause: 'retry', attempt: 0, waits: 2 })
  })
})

describe('what is sent', () => {
  it('is it nothing after a pass that needs nothing', () => {
    for (const outcome of [
      { kind: 'settled' },
      { kind: 'stalled', reason: 'TemplateMissing', message: '' },
    ] as const)
      expect(followUp(outcome, pass, now, 0)).toEqual({ timers: [], deadLetter: undefined })
  })

  it('is it a timer for each uid, with the pod worth a look', () => {
    const both = { ...pass, uids: ['u1', 'u2'], pod: 'a-1' }
    const { timers } = followUp(failed(new OperatorError('Internal', 'x'), 0), both, now, 0)
    expect(timers.map(({ key }) => [key.uid, key.pod])).toEqual([
      ['u1', 'a-1'],
      ['u2', 'a-1'],
    ])
  })

  it('is it with the doubt of a pass that did not come to its end, and without it after one that did', () => {
    const doubting = { ...pass, causes: new Set(['changed', 'drift'] as const) }
    const causeOf = (outcome: Outcome) => followUp(outcome, doubting, now, 0).timers[0]?.key.cause
    expect(causeOf(failed(new OperatorError('Internal', 'x'), 0))).toBe('drift')
    expect(causeOf(requeue('DatabaseUnavailable', 2_000))).toBe('drift')
    expect(causeOf(requeue('Unschedulable', 30_000))).toBe('retry')
  })

  it('is it no sooner than the other side asked for', () => {
    const error = new OperatorError('ClusterUnavailable', 'busy', { retryAfterMs: 20_000 })
    expect(delayOf(failed(error, 0))).toBeGreaterThanOrEqual(20_000)
    const counted = new OperatorError('Internal', 'busy', { retryAfterMs: 20_000 })
    expect(delayOf(failed(counted, 0))).toBe(20_000)
  })

  it('is a date kept to the millisecond', () => {
    expect(delayOf(requeue('NotYetAvailable', 86_400_123))).toBe(86_400_123)
  })
})

describe('do the timers of one waiting instance become one', () => {
  it('meet those of passes that end within a grid, while those of another instance do not meet them', () => {
    const ends = Array.from({ length: 200 }, (_, index) => now + index * 100)
    const dues = (of: Pass) => ends.map(at => at + delayOf(requeue('Unschedulable', 40_000), of, 0, at))
    const mine = new Set(dues(pass))
    expect(mine.size).toBeLessThanOrEqual(4)
    expect(dues({ ...pass, name: 'b' }).some(due => mine.has(due))).toBe(false)
  })

  it('are never early, and late by a quarter at most', () => {
    for (const afterMs of [1, 500, 2_000, 30_000, 299_999]) {
      const delay = delayOf(requeue('QuotaExceeded', afterMs))
      expect(delay).toBeGreaterThanOrEqual(afterMs)
      expect(delay).toBeLessThanOrEqual(Math.max(afterMs * 1.25, afterMs + 1))
    }
  })
})
