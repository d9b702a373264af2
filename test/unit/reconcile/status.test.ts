import { describe, expect, test } from 'vitest'
import type { ChallengeInstanceStatus } from '../../../lib/crd/challenge-instance.ts'
import type { WorkloadVerdict } from '../../../lib/observed/workload.ts'
import { type Report, statusOf, withSync } from '../../../lib/reconcile/status.ts'
import { recordedChild, storedInstance } from '../../support/objects.ts'

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

function reported(parts: Partial<Report>): Report {
  return {
    instance: instance(),
    verdict: undefined,
    obstacle: undefined,
    children: [],
    observed: true,
    terminating: false,
    ...parts,
  }
}

const conditionOf = (status: ChallengeInstanceStatus, type: string) =>
  status.conditions?.find(each => each.type === type)

describe('which phase does a report amount to', () => {
  const phases: [string, Partial<Report>, string, string | undefined][] = [
    ['nothing made yet', {}, 'Pending', undefined],
    ['children made, nothing seen of them', { children: [child] }, 'Provisioning', undefined],
    ['serving', { children: [child], verdict: serving }, 'Ready', undefined],
    [
      'crashing once',
      { children: [child], verdict: { ...serving, ready: false, reason: 'CrashLooping' } },
      'Provisioning',
      'CrashLooping',
    ],
    [
      'crashing on',
      { children: [child], verdict: { ...serving, ready: false, failed: true, reason: 'CrashLooping' } },
      'Failed',
      'CrashLooping',
    ],
    [
      'no template, nothing made',
      { obstacle: { reason: 'TemplateMissing', message: 'm', stalled: true } },
      'Pending',
      'TemplateMissing',
    ],
    [
      'no template, still serving',
      {
        children: [child],
        verdict: serving,
        obstacle: { reason: 'TemplateMissing', message: 'm', stalled: true },
      },
      'Ready',
      'TemplateMissing',
    ],
    [
      'a name that cannot be used',
      { obstacle: { reason: 'NameInvalid', message: 'm', stalled: true } },
      'Failed',
      'NameInvalid',
    ],
    [
      'a quota that may be freed',
      { obstacle: { reason: 'QuotaExceeded', message: 'm', stalled: false } },
      'Pending',
      'QuotaExceeded',
    ],
    [
      'suspended',
      { children: [child], verdict: { ...serving, ready: false, reason: 'Suspended' } },
      'Idle',
      'Suspended',
    ],
    ['going', { children: [child], terminating: true }, 'Terminating', 'Terminating'],
  ]
  test.each(phases)('%s', (_, parts, phase, reason) => {
    const status = statusOf(reported(parts), early)
    expect(status.phase).toBe(phase)
    expect(status.reason).toBe(reason)
    expect(status.message).not.toBe('')
  })
})

describe('is the status honest', () => {
  test('the Ready condition moves its time only with its status', () => {
    const first = statusOf(reported({ children: [child], verdict: serving }), early)
    const second = statusOf(
      reported({ instance: instance(first), children: [child], verdict: serving }),
      late,
    )
    expect(second).toEqual(first)
    const third = statusOf(reported({ instance: instance(first), children: [child] }), late)
    expect(conditionOf(third, 'Ready')).toMatchObject({ status: 'False', lastTransitionTime: late })
  })

  test('a failed pass does not claim the generation', () => {
    expect(statusOf(reported({ observed: false }), early).observedGeneration).toBeUndefined()
    expect(statusOf(reported({}), early).observedGeneration).toBe(3)
  })

  test('force-sync is answered with its value', () => {
    const asked = instance(undefined, { 'infra.ctf.example.com/force-sync': 'now' })
    expect(statusOf(reported({ instance: asked }), early).handledSync).toBe('now')
  })

  test('a reason that passed is not kept', () => {
    const failing = statusOf(
      reported({
        children: [child],
        verdict: { ...serving, ready: false, failed: true, reason: 'ImagePullFailed' },
      }),
      early,
    )
    const cured = statusOf(
      reported({ instance: instance(failing), children: [child], verdict: serving }),
      late,
    )
    expect(cured).not.toHaveProperty('reason')
    expect(conditionOf(cured, 'Stalled')).toMatchObject({ status: 'False' })
  })

  test('a pass that could not look says why, and leaves what was said of the workload', () => {
    const first = statusOf(reported({ children: [child], verdict: serving }), early)
    const obstacle = { reason: 'Forbidden', message: 'no right', stalled: false } as const
    const unseen = reported({ instance: instance(first), children: [child], verdict: 'unseen', obstacle })
    const second = statusOf(unseen, late)
    expect(second).toEqual({ ...first, reason: 'Forbidden', message: 'no right' })
  })

  test('a pass that could not look and is given up is stalled, whatever the workload does', () => {
    const first = statusOf(reported({ children: [child], verdict: serving }), early)
    const obstacle = { reason: 'Internal', message: 'given up', stalled: true } as const
    const unseen = reported({ instance: instance(first), children: [child], verdict: 'unseen', obstacle })
    const second = statusOf(unseen, late)
    expect(second.phase).toBe('Ready')
    expect(conditionOf(second, 'Ready')).toEqual(conditionOf(first, 'Ready'))
    expect(conditionOf(second, 'Stalled')).toMatchObject({ status: 'True', reason: 'Internal' })
  })

  test('a first pass that could not look: pending', () => {
    const obstacle = { reason: 'Forbidden', message: 'no right', stalled: false } as const
    const status = statusOf(reported({ verdict: 'unseen', obstacle }), early)
    expect(status).toMatchObject({ phase: 'Pending', reason: 'Forbidden' })
    expect(conditionOf(status, 'Ready')).toMatchObject({ status: 'False', reason: 'Forbidden' })
  })

  test('Synced stands beside the other conditions and says why not', () => {
    const status = withSync(
      statusOf(reported({}), early),
      3,
      { ok: false, reason: 'TeamUnknown', message: 'The platform has no such team.' },
      early,
    )
    expect(status.conditions?.map(each => each.type)).toEqual(['Progressing', 'Ready', 'Stalled', 'Synced'])
    expect(conditionOf(status, 'Synced')).toMatchObject({ status: 'False', reason: 'TeamUnknown' })
  })
})
