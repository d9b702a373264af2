import { describe, expect, it } from 'vitest'
import type {
  ChallengeInstanceSpec,
  ChallengeInstanceStatus,
} from '../../../../lib/crd/challenge-instance.ts'
import type { ObjectMeta } from '../../../../lib/crd/objects.ts'
import type { Action, Result } from '../../../../local/commands/actions/action.ts'
import {
  plannedLine,
  planSummary,
  resultLine,
  resultSummary,
} from '../../../../local/commands/actions/print-plan.ts'
import { countProgress } from '../../../../local/commands/actions/progress.ts'
import { cutOf, type Renewal, renew } from '../../../../local/commands/actions/renew.ts'
import { restart, sleep, stop, wake } from '../../../../local/commands/actions/simple-actions.ts'
import { storedInstance } from '../../../support/objects.ts'

const now = Date.parse('2026-11-29T12:00:00.250Z')
const renewal: Renewal = { now, minutes: undefined, until: undefined, ttlMinutesOf: () => 60 }

interface Parts {
  metadata?: ObjectMeta
  spec?: Partial<ChallengeInstanceSpec>
  status?: ChallengeInstanceStatus
}
const instance = ({ metadata, spec, status }: Parts = {}) =>
  storedInstance({
    ...(metadata && { metadata }),
    ...(spec && { spec }),
    status: { phase: 'Ready', observedGeneration: 1, ...status },
  })
const going = instance({ metadata: { deletionTimestamp: '2026-11-29T11:59:00Z' } })
const endingAt = (expiresAt: string, spec: Partial<ChallengeInstanceSpec> = {}) =>
  instance({ spec, status: { expiresAt } })

describe('renew', () => {
  const stepOf = (parts: Partial<Renewal>, each = endingAt('2026-11-29T12:30:00Z')) =>
    renew({ ...renewal, ...parts }).step(each)
  const until = (value: string) => ({ operations: [{ op: 'add', path: '/spec/expiresAt', value }] })

  it('gives the TTL of the template from now on, in whole seconds', () => {
    expect(stepOf({})).toMatchObject({ kind: 'patch', ...until('2026-11-29T13:00:01Z') })
  })

  it('gives minutes from now on, or a date', () => {
    expect(stepOf({ minutes: 90 })).toMatchObject(until('2026-11-29T13:30:01Z'))
    expect(stepOf({ until: Date.parse('2026-11-30T00:00:00Z') })).toMatchObject(until('2026-11-30T00:00:00Z'))
  })

  it('never makes an end earlier, and gives none to an instance that has none', () => {
    expect(stepOf({ minutes: 10 })).toEqual({
      kind: 'leave',
      because: 'it ends later already, at 2026-11-29T12:30:00Z',
    })
    expect(stepOf({ minutes: 10 }, instance())).toEqual({ kind: 'leave', because: 'it has no end' })
  })

  it('does not lower a wish that the template has cut', () => {
    const cut = endingAt('2026-11-29T12:30:00Z', { expiresAt: '2026-11-29T20:00:00Z' })
    expect(stepOf({ minutes: 90 }, cut)).toMatchObject({
      kind: 'leave',
      because: expect.stringContaining('maxTtlMinutes'),
    })
    expect(stepOf({ minutes: 900 }, cut)).toMatchObject({ kind: 'patch' })
  })

  it('renews an instance that no pass has seen yet', () => {
    expect(renew({ ...renewal, minutes: 5 }).step(storedInstance())).toMatchObject({ kind: 'patch' })
  })

  it('asks for a date where the template has no TTL', () => {
    expect(stepOf({ ttlMinutesOf: () => undefined })).toMatchObject({
      kind: 'refuse',
      because: expect.stringContaining('--minutes'),
    })
  })

  it('aims at the end with the credits that the operator has reported', () => {
    const credited = instance({ status: { expiresAt: '2026-11-29T12:30:00Z', creditMinutes: 20 } })
    expect(stepOf({ minutes: 90 }, credited)).toMatchObject(until('2026-11-29T13:10:01Z'))
  })

  it('refuses a date that has passed', () => {
    expect(stepOf({ until: now }, endingAt('2026-11-29T11:00:00Z'))).toMatchObject({
      kind: 'refuse',
      because: expect.stringContaining('has passed already'),
    })
  })

  it('says what a renewal was cut to, and takes the credits for no cut', () => {
    const spec = { expiresAt: '2026-11-29T20:00:00Z' }
    expect(cutOf(endingAt('2026-11-29T20:00:00Z', spec))).toBeUndefined()
    const status = { expiresAt: '2026-11-29T20:20:00Z', creditMinutes: 20 }
    expect(cutOf(instance({ spec, status }))).toBeUndefined()
    expect(cutOf(endingAt('2026-11-29T18:00:00Z', spec))).toContain(
      'the end is 2026-11-29T18:00:00Z in place of the 2026-11-29T20:00:00Z',
    )
  })
})

describe('an action', () => {
  it('says that it is too late while the instance is being deleted', () => {
    for (const each of [renew(renewal), sleep, wake(now), restart(now)])
      expect(each.step(going)).toMatchObject({ kind: 'refuse', because: expect.stringContaining('too late') })
    expect(stop.step(going)).toMatchObject({ kind: 'leave' })
  })

  it('says that a new pod brings the newer template for which the instance waits, and no other edit does', () => {
    const waiting = instance({ status: { reason: 'RolloutWaiting' } })
    expect(restart(now).step(waiting)).toMatchObject({ detail: expect.stringContaining('newer version') })
    expect(restart(now).step(instance())).toMatchObject({ detail: undefined })
    expect(sleep.step(waiting)).toMatchObject({ detail: undefined })
    expect(renew(renewal).step(waiting)).not.toMatchObject({ detail: expect.stringContaining('version') })
  })
})

describe('sleep and wake', () => {
  it('set and take back the suspension, each once', () => {
    const suspended = instance({ spec: { suspend: true }, status: { phase: 'Idle' } })
    expect(sleep.step(instance())).toMatchObject({
      operations: [{ op: 'add', path: '/spec/suspend', value: true }],
    })
    expect(sleep.step(suspended)).toMatchObject({ kind: 'leave' })
    expect(wake(now).step(suspended)).toMatchObject({
      operations: [{ op: 'add', path: '/spec/suspend', value: false }],
    })
    expect(wake(now).step(instance())).toMatchObject({ kind: 'leave' })
  })

  it('wake by activity what sleeps because nobody used it', () => {
    const idle = instance({ status: { phase: 'Idle', reason: 'Idle' } })
    expect(wake(now).step(idle)).toMatchObject({
      operations: [
        {
          path: '/metadata/annotations',
          value: { 'infra.ctf.example.com/last-activity': '2026-11-29T12:00:00.250Z' },
        },
      ],
    })
  })
})

describe('wake', () => {
  it('writes activity that is later than the hibernation', () => {
    const hibernation = { reason: 'Idle', since: '2026-11-29T12:00:30Z' } as const
    expect(wake(now).step(instance({ status: { phase: 'Idle', hibernation } }))).toMatchObject({
      operations: [{ value: { 'infra.ctf.example.com/last-activity': '2026-11-29T12:00:30.001Z' } }],
    })
  })

  it('leaves an instance that is woken and waits for room', () => {
    const queued = instance({ status: { phase: 'Idle', reason: 'Queued' } })
    expect(wake(now).step(queued)).toMatchObject({ kind: 'leave', because: expect.stringContaining('room') })
  })
})

describe('restart', () => {
  it('is a new date in the spec, and left out for an instance without a pod', () => {
    expect(restart(now).step(instance())).toMatchObject({
      operations: [{ op: 'add', path: '/spec/restartedAt', value: '2026-11-29T12:00:00.250Z' }],
    })
    expect(restart(now).step(instance({ status: { phase: 'Idle' } }))).toMatchObject({ kind: 'leave' })
  })
})

describe('the lines of an action', () => {
  const action: Action = stop
  const result = (outcome: Result['outcome'], detail?: string): Result => ({
    instance: instance(),
    outcome,
    detail,
  })

  it('say what would be done, and what cannot be', () => {
    expect(plannedLine(instance(), action, stop.step(instance()))).toBe(
      'ctf/web-7  Ready  event 1, team 7  would be stopped: the instance is deleted',
    )
    expect(plannedLine(going, sleep, sleep.step(going))).toContain('cannot be put to sleep: it is too late')
    expect(planSummary([sleep.step(going), sleep.step(instance())], sleep)).toBe(
      '1 of 2 instances would be put to sleep, and 1 cannot be. Nothing has been changed yet. ' +
        'Run the command again with --yes to carry it out.',
    )
    expect(planSummary([sleep.step(going)], sleep)).toBe(
      '0 of 1 instance would be put to sleep, and 1 cannot be.',
    )
  })

  it('say what was done, left and failed', () => {
    expect(resultLine(result('failed', 'it broke'), action)).toBe('ctf/web-7  is not stopped: it broke')
    expect(resultLine(result('left', 'so'), action)).toBe('ctf/web-7  stays as it is: so')
    const results = [result('done'), result('done'), result('left'), result('failed')]
    expect(resultSummary(results, action)).toBe('2 of 4 instances are stopped; 1 stays as it is, 1 failed.')
    expect(resultSummary(results.slice(1, 2), action)).toBe('1 of 1 instance is stopped.')
  })
})

describe('the progress', () => {
  it('is printed every two seconds, and not for the last one', () => {
    const lines: string[] = []
    let time = 0
    const ended = countProgress({ total: 4, print: line => lines.push(line), now: () => time })
    ended(false)
    time = 2_100
    ended(true)
    time = 2_200
    ended(false)
    time = 9_000
    ended(false)
    expect(lines).toEqual(['2 of 4 so far, 1 failed'])
  })
})
