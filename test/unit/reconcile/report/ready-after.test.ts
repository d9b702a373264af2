import { describe, expect, it } from 'vitest'
import type { ChallengeInstance, ChallengeInstanceStatus } from '../../../../lib/crd/challenge-instance.ts'
import type { Stored } from '../../../../lib/crd/objects.ts'
import { readyAfterMs } from '../../../../lib/reconcile/report/ready-after.ts'

const created = '2026-01-01T00:00:00Z'
const now = Date.parse('2026-01-01T00:00:03Z')
const ready: ChallengeInstanceStatus = { phase: 'Ready' }

function instance(status: ChallengeInstanceStatus | undefined): Stored<ChallengeInstance> {
  const metadata = { namespace: 'ns', name: 'a', uid: 'u', resourceVersion: '1', creationTimestamp: created }
  return { metadata, ...(status && { status }) } as Stored<ChallengeInstance>
}

/** A status whose conditions last changed so many seconds after the creation. */
function statusOf(phase: 'Provisioning' | 'Ready', seconds: Record<string, number>): ChallengeInstanceStatus {
  const conditions = Object.entries(seconds).map(([type, after]) => ({
    type,
    status: 'False',
    reason: 'Any',
    lastTransitionTime: `2026-01-01T00:00:0${after}Z`,
  }))
  return { phase, conditions } as ChallengeInstanceStatus
}

describe('readyAfterMs', () => {
  it.each([
    ['without a status before', undefined],
    ['with a workload that was starting', statusOf('Provisioning', { Ready: 1, Synced: 1 })],
    ['with a database that was away first', statusOf('Provisioning', { Ready: 1, Synced: 2 })],
  ])('tells the time since the creation %s', (_, before) => {
    expect(readyAfterMs(instance(before), ready, now)).toBe(3_000)
  })

  it('tells nothing of an instance that was Ready before its restart', () => {
    const before = statusOf('Provisioning', { Ready: 2, Synced: 1 })
    expect(readyAfterMs(instance(before), ready, now)).toBeUndefined()
  })

  it('tells nothing of an instance that stays Ready, or is not', () => {
    expect(readyAfterMs(instance({ phase: 'Ready' }), ready, now)).toBeUndefined()
    expect(readyAfterMs(instance(undefined), { phase: 'Failed' }, now)).toBeUndefined()
  })
})
