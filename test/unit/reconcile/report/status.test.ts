import { describe, expect, test } from 'vitest'
import type { ChallengeInstanceStatus } from '../../../../lib/crd/challenge-instance.ts'
import type { WorkloadVerdict } from '../../../../lib/observed/workload.ts'
import type { Findings } from '../../../../lib/reconcile/pass/findings.ts'
import { withSync } from '../../../../lib/reconcile/report/conditions.ts'
import { statusOf } from '../../../../lib/reconcile/report/status.ts'
import { recordedChild, storedInstance } from '../../../support/objects.ts'

const early = '2026-11-21T09:00:00.000Z'
const late = '2026-11-21T09:05:00.000Z'
const child = recordedChild()
const serving: WorkloadVerdict = {
  ready: true,
  failed: false,
  reason: undefined,
  podName: 'web-7-x',
  dueAt: undefined,
}

function instance(status?: ChallengeInstanceStatus, annotations: Record<string, string> = {}) {
  return storedInstance({ status, metadata: { generation: 3, annotations } })
}

function findings(parts: Partial<Findings>): Findings {
  return {
    instance: instance(),
    workload: { kind: 'none' },
    obstacle: undefined,
    children: [],
    observesGeneration: true,
    handlesSync: false,
    terminating: false,
    ...parts,
  }
}

const observed = (verdict: WorkloadVerdict) => ({ kind: 'observed', verdict }) as const

const conditionOf = (status: ChallengeInstanceStatus, type: string) =>
  status.conditions?.find(each => each.type === type)

describe('the phase and reason of findings', () => {
  const phases: [string, Partial<Findings>, string, string | undefined][] = [
    ['without children', {}, 'Pending', undefined],
    ['with children and no workload observed', { children: [child] }, 'Provisioning', undefined],
    ['with a workload that serves', { children: [child], workload: observed(serving) }, 'Ready', undefined],
    [
      'with one crash',
      { children: [child], workload: observed({ ...serving, ready: false, reason: 'CrashLooping' }) },
      'Provisioning',
      'CrashLooping',
    ],
    [
      'with a crash loop',
      {
        children: [child],
        workload: observed({ ...serving, ready: false, failed: true, reason: 'CrashLooping' }),
      },
      'Failed',
      'CrashLooping',
    ],
    [
      'without template and children',
      { obstacle: { reason: 'TemplateMissing', message: 'm', stalled: true } },
      'Pending',
      'TemplateMissing',
    ],
    [
      'without template and with a workload that serves',
      {
        children: [child],
        workload: observed(serving),
        obstacle: { reason: 'TemplateMissing', message: 'm', stalled: true },
      },
      'Ready',
      'TemplateMissing',
    ],
    [
      'with a name that cannot be used',
      { obstacle: { reason: 'NameInvalid', message: 'm', stalled: true } },
      'Failed',
      'NameInvalid',
    ],
    [
      'with an exceeded quota',
      { obstacle: { reason: 'QuotaExceeded', message: 'm', stalled: false } },
      'Pending',
      'QuotaExceeded',
    ],
    [
      'with a suspended workload',
      { children: [child], workload: observed({ ...serving, ready: false, reason: 'Suspended' }) },
      'Idle',
      'Suspended',
    ],
    ['during a teardown', { children: [child], terminating: true }, 'Terminating', 'Terminating'],
  ]
  test.each(phases)('%s', (_, parts, phase, reason) => {
    const status = statusOf(findings(parts), early)
    expect(status.phase).toBe(phase)
    expect(status.reason).toBe(reason)
    expect(status.message).not.toBe('')
  })
})

describe('statusOf', () => {
  test('changes the time of the Ready condition only with its status', () => {
    const first = statusOf(findings({ children: [child], workload: observed(serving) }), early)
    const second = statusOf(
      findings({ instance: instance(first), children: [child], workload: observed(serving) }),
      late,
    )
    expect(second).toEqual(first)
    const third = statusOf(findings({ instance: instance(first), children: [child] }), late)
    expect(conditionOf(third, 'Ready')).toMatchObject({ status: 'False', lastTransitionTime: late })
  })

  test('does not observe the generation after a failed pass', () => {
    expect(statusOf(findings({ observesGeneration: false }), early).observedGeneration).toBeUndefined()
    expect(statusOf(findings({}), early).observedGeneration).toBe(3)
  })

  test('answers force-sync with its value after a pass that verified everything, and after no other', () => {
    const asked = instance({ handledSync: 'before' }, { 'infra.ctf.example.com/force-sync': 'now' })
    const handled = (handlesSync: boolean) =>
      statusOf(findings({ instance: asked, handlesSync }), early).handledSync
    expect(handled(true)).toBe('now')
    expect(handled(false)).toBe('before')
  })

  test('says that an end is earlier than a renewal asked for', () => {
    const asked = Date.parse('2026-11-28T12:00:00Z')
    const messageAt = (at: number | undefined, creditMinutes = 0) => {
      const renewed = storedInstance({ spec: { expiresAt: '2026-11-28T12:00:00Z' } })
      const ready = { children: [child], workload: observed(serving) }
      return statusOf(
        findings({ ...ready, instance: renewed, end: { at, isNear: false, creditMinutes } }),
        early,
      ).message
    }
    expect(messageAt(asked)).toBe('The challenge is running.')
    expect(messageAt(asked + 600_000)).toBe('The challenge is running.')
    expect(messageAt(asked - 1)).toBe(
      'The challenge is running. It ends earlier than was asked for, since its template allows no later end.',
    )
    expect(messageAt(asked - 600_000, -10)).toBe('The challenge is running.')
    expect(messageAt(asked - 600_001, -10)).toMatch(/It ends earlier/)
    expect(messageAt(asked + 300_000, 10)).toBe('The challenge is running.')
    expect(messageAt(asked - 1, 10)).toMatch(/It ends earlier/)
  })

  test('tells the end that the platform is warned of, until another end is known', () => {
    const [end, later] = [Date.parse('2026-11-28T12:00:00Z'), Date.parse('2026-11-28T13:00:00Z')]
    const warnedOf = (before: string | undefined, at: number | undefined, isNear: boolean) => {
      const reported = instance(before === undefined ? {} : { warnedOf: before })
      return statusOf(findings({ instance: reported, end: { at, isNear, creditMinutes: 0 } }), early).warnedOf
    }
    expect(warnedOf(undefined, end, false)).toBeUndefined()
    expect(warnedOf(undefined, end, true)).toBe('2026-11-28T12:00:00Z')
    expect(warnedOf('2026-11-28T12:00:00Z', end, false)).toBe('2026-11-28T12:00:00Z')
    expect(warnedOf('2026-11-28T12:00:00Z', later, false)).toBeUndefined()
    expect(warnedOf('2026-11-28T12:00:00Z', undefined, false)).toBeUndefined()
  })

  test('forgets a force-sync that was removed', () => {
    const status = statusOf(findings({ instance: instance({ handledSync: 'before' }) }), early)
    expect(status).not.toHaveProperty('handledSync')
  })

  test('does not keep a reason that passed', () => {
    const failing = statusOf(
      findings({
        children: [child],
        workload: observed({ ...serving, ready: false, failed: true, reason: 'ImagePullFailed' }),
      }),
      early,
    )
    const cured = statusOf(
      findings({ instance: instance(failing), children: [child], workload: observed(serving) }),
      late,
    )
    expect(cured).not.toHaveProperty('reason')
    expect(conditionOf(cured, 'Stalled')).toMatchObject({ status: 'False' })
  })

  test('keeps the report of the workload if a failure kept the pass from reading it', () => {
    const first = statusOf(findings({ children: [child], workload: observed(serving) }), early)
    const obstacle = { reason: 'Forbidden', message: 'No right.', stalled: false } as const
    const failed = findings({
      instance: instance(first),
      children: [child],
      workload: { kind: 'not-observed' },
      obstacle,
    })
    const second = statusOf(failed, late)
    const message = 'No right. The operator looks again after about 5 minutes at most.'
    expect(second).toEqual({ ...first, reason: 'Forbidden', message })
  })

  test('stalls after the last attempt to read, whatever the workload does', () => {
    const first = statusOf(findings({ children: [child], workload: observed(serving) }), early)
    const obstacle = { reason: 'Internal', message: 'given up', stalled: true } as const
    const failed = findings({
      instance: instance(first),
      children: [child],
      workload: { kind: 'not-observed' },
      obstacle,
    })
    const second = statusOf(failed, late)
    expect(second.phase).toBe('Ready')
    expect(conditionOf(second, 'Ready')).toEqual(conditionOf(first, 'Ready'))
    expect(conditionOf(second, 'Stalled')).toMatchObject({ status: 'True', reason: 'Internal' })
  })

  test('is Pending if the first pass could not read', () => {
    const obstacle = { reason: 'Forbidden', message: 'No right.', stalled: false } as const
    const status = statusOf(findings({ workload: { kind: 'not-observed' }, obstacle }), early)
    expect(status).toMatchObject({ phase: 'Pending', reason: 'Forbidden' })
    expect(conditionOf(status, 'Ready')).toMatchObject({ status: 'False', reason: 'Forbidden' })
  })

  test('has a Synced condition beside the others, with the reason why the row is not written', () => {
    const status = withSync(
      statusOf(findings({}), early),
      3,
      { ok: false, reason: 'TeamUnknown', message: 'The platform has no such team.' },
      early,
    )
    expect(status.conditions?.map(each => each.type)).toEqual(['Progressing', 'Ready', 'Stalled', 'Synced'])
    expect(conditionOf(status, 'Synced')).toMatchObject({ status: 'False', reason: 'TeamUnknown' })
  })
})

describe('the message of a reason that is cured where nobody watches', () => {
  const next = ' The operator looks again after about 5 minutes at most.'

  test('says when the instance is looked at again, also after a pass that only looked', () => {
    const quota = { reason: 'QuotaExceeded', message: 'No room for a Secret.', stalled: false } as const
    const first = statusOf(
      findings({ children: [child], workload: observed(serving), obstacle: quota }),
      early,
    )
    expect(first.message).toBe(`No room for a Secret.${next}`)
    const looked = findings({
      instance: instance(first),
      children: [child],
      workload: observed(serving),
      obstacle: 'not-examined',
    })
    expect(statusOf(looked, late)).toEqual(first)
  })

  test('says so of a workload whose pods the cluster refuses', () => {
    const refused = observed({
      ...serving,
      ready: false,
      reason: 'QuotaExceeded',
      message: 'Exceeded quota.',
    })
    const status = statusOf(findings({ children: [child], workload: refused }), early)
    expect(status.message).toBe(`Exceeded quota.${next}`)
    expect(conditionOf(status, 'Ready')?.message).toBe(status.message)
  })

  test('says so of a row that the platform does not take', () => {
    const sync = { ok: false, reason: 'TeamUnknown', message: 'The platform has no such team.' } as const
    const status = withSync(statusOf(findings({}), early), 3, sync, early)
    expect(conditionOf(status, 'Synced')?.message).toBe(`The platform has no such team.${next}`)
  })

  test('says nothing of the kind where a change or a watch wakes the instance', () => {
    const missing = { reason: 'TemplateMissing', message: 'No template.', stalled: true } as const
    expect(statusOf(findings({ obstacle: missing }), early).message).toBe('No template.')
  })
})

describe('a phase that keeps changing', () => {
  const started = instance(statusOf(findings({ children: [child], workload: observed(serving) }), early))
  const down = observed({ ...serving, ready: false, podName: 'web-7-y' })
  const at = (seconds: number) => new Date(Date.parse(early) + seconds * 1_000).toISOString()

  /** The statuses of passes that find the workload down and up by turns, one every three seconds. */
  function statuses(passes: number, parts: Partial<Findings> = {}): ChallengeInstanceStatus[] {
    const all: ChallengeInstanceStatus[] = []
    let before = started
    for (let pass = 0; pass < passes; pass++) {
      const workload = pass % 2 === 0 ? down : observed(serving)
      const found = findings({ instance: before, children: [child], workload, ...parts })
      const status = statusOf(found, at(pass * 3))
      all.push(status)
      before = instance(status)
    }
    return all
  }

  test('is told at once for six changes, and then held with the reason Flapping', () => {
    const phases = statuses(7).map(({ phase, reason }) => [phase, reason])
    expect(phases.slice(0, 6)).toEqual([
      ['Provisioning', undefined],
      ['Ready', undefined],
      ['Provisioning', undefined],
      ['Ready', undefined],
      ['Provisioning', undefined],
      ['Ready', undefined],
    ])
    expect(phases[6]).toEqual(['Ready', 'Flapping'])
  })

  test('causes no status write while it is held', () => {
    const [first, ...later] = statuses(19).slice(6)
    for (const status of later) expect(status).toEqual(first)
  })

  test('is told once a minute has passed, and keeps the reason until it is calm', () => {
    const held = statuses(8).at(-1) as ChallengeInstanceStatus
    const told = statusOf(findings({ instance: instance(held), children: [child], workload: down }), at(61))
    expect(told).toMatchObject({ phase: 'Provisioning', reason: 'Flapping', podName: 'web-7-y' })
    const still = findings({ instance: instance(told), children: [child], workload: down })
    expect(statusOf(still, at(119))).toEqual(told)
    expect(statusOf(still, at(121))).not.toHaveProperty('reason')
  })

  test('shows an obstacle before the flapping, and holds the phase all the same', () => {
    const obstacle = { reason: 'TemplateMissing', message: 'm', stalled: true } as const
    const held = statuses(20, { obstacle }).slice(6)
    expect(new Set(held.map(({ phase, reason }) => `${phase} ${reason}`))).toEqual(
      new Set(['Ready TemplateMissing']),
    )
  })

  test('is told at once if somebody has edited the instance or its template', () => {
    const held = statuses(8).at(-1) as ChallengeInstanceStatus
    const edited = instance(held)
    edited.metadata.generation = 4
    const template = { uid: 't', generation: 2, hash: 'other' }
    for (const parts of [{ instance: edited }, { instance: instance(held), template }]) {
      const status = statusOf(findings({ ...parts, children: [child], workload: down }), at(30))
      expect(status.phase).toBe('Provisioning')
      expect(status).not.toHaveProperty('reason')
      expect(status).not.toHaveProperty('phaseChanges')
    }
  })

  test('gives way to the end of the instance', () => {
    const held = statuses(8).at(-1) as ChallengeInstanceStatus
    const ending = findings({ instance: instance(held), children: [child], terminating: true })
    expect(statusOf(ending, at(30))).toMatchObject({ phase: 'Terminating', reason: 'Terminating' })
  })
})

describe('adopting, the mark of an instance of the older operator', () => {
  const old: ChallengeInstanceStatus = { phase: 'Ready', url: 'http://web-7' }
  const paused = { reason: 'Paused', message: 'm', stalled: true } as const

  test('is set by the first status write, whatever that says', () =>
    expect(statusOf(findings({ instance: instance(old), obstacle: paused }), late).adopting).toBe(true))

  test('stays until every child is recorded', () => {
    const half = { ...old, conditions: [], observedGeneration: 3, adopting: true }
    const before = instance(half)
    expect(statusOf(findings({ instance: before, children: [child] }), late).adopting).toBe(true)
    const whole = statusOf(findings({ instance: before, children: [child], complete: true }), late)
    expect(whole).not.toHaveProperty('adopting')
  })

  test('ends where a recorded child is lost, since the object of its name is foreign', () => {
    const half = { ...old, conditions: [], observedGeneration: 3, adopting: true, children: [child] }
    expect(statusOf(findings({ instance: instance(half) }), late)).not.toHaveProperty('adopting')
  })

  test('is not set on a new instance, nor after a first pass that failed', () => {
    const failed = { phase: 'Pending', conditions: [] } as const
    expect(statusOf(findings({}), late)).not.toHaveProperty('adopting')
    expect(
      statusOf(findings({ instance: instance({ ...failed, conditions: [] }) }), late),
    ).not.toHaveProperty('adopting')
  })
})
