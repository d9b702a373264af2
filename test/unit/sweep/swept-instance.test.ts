import { describe, expect, it } from 'vitest'
import type { ChallengeInstanceStatus } from '../../../lib/crd/challenge-instance.ts'
import { annotations } from '../../../lib/crd/group.ts'
import { sweptInstance } from '../../../lib/sweep/swept-instance.ts'
import { storedInstance } from '../../support/objects.ts'

function statusOf(reportedGeneration: number, reason?: 'Paused'): ChallengeInstanceStatus {
  const stalled = { type: 'Stalled', status: 'True', reason: 'Paused', message: '', lastTransitionTime: '' }
  const conditions = [{ ...stalled, status: 'True' as const, observedGeneration: reportedGeneration }]
  return { observedGeneration: 1, conditions, ...(reason ? { reason } : {}) }
}

describe('sweptInstance', () => {
  it.each<[observed: boolean, why: string, paused: boolean, generation: number, ChallengeInstanceStatus]>([
    [true, 'with an observed spec', false, 1, statusOf(1)],
    [false, 'with a spec that no pass has acted on', false, 2, statusOf(2)],
    [false, 'whose pause has ended and is still reported', false, 1, statusOf(1, 'Paused')],
    [false, 'whose pause is not reported', true, 1, statusOf(1)],
    [true, 'whose pause is reported', true, 1, statusOf(1, 'Paused')],
    [false, 'that was edited during its pause', true, 2, statusOf(1, 'Paused')],
    [true, 'whose edit during its pause is reported', true, 2, statusOf(2, 'Paused')],
  ])('says %s of an instance %s', (observed, _, paused, generation, status) => {
    const own = paused ? { annotations: { [annotations.paused]: 'true' } } : {}
    expect(sweptInstance(storedInstance({ metadata: { generation, ...own }, status })).observed).toBe(
      observed,
    )
  })
  it('says that a force-sync is observed once a pass has answered it', () => {
    const metadata = { annotations: { [annotations.forceSync]: '2' } }
    const before = { ...statusOf(1), handledSync: '1' }
    expect(sweptInstance(storedInstance({ metadata, status: before })).observed).toBe(false)
    const after = { ...before, handledSync: '2' }
    expect(sweptInstance(storedInstance({ metadata, status: after })).observed).toBe(true)
  })

  it('says that a pause has ended until a pass has reported that', () => {
    const held = { annotations: { [annotations.paused]: 'true' } }
    expect(sweptInstance(storedInstance({ status: statusOf(1, 'Paused') })).resumed).toBe(true)
    expect(sweptInstance(storedInstance({ metadata: held, status: statusOf(1, 'Paused') })).resumed).toBe(
      false,
    )
    expect(sweptInstance(storedInstance({ status: statusOf(1) })).resumed).toBe(false)
  })
})
