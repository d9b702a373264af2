import { describe, expect, it } from 'vitest'
import { OperatorError } from '../../../../lib/errors.ts'
import type { Reason } from '../../../../lib/reasons.ts'
import { failureOutcome, maxAttempts, waitOutcome } from '../../../../lib/reconcile/pass/outcome.ts'
import { somePass } from '../passes.ts'

describe('failureOutcome', () => {
  it('exhausts the attempts with the eighth failure in a row', () => {
    const error = new OperatorError('Internal', 'broken')
    const exhausted = Array.from({ length: maxAttempts }, (_, attempt) => {
      const outcome = failureOutcome(error, somePass({ attempt }), 0)
      return outcome.kind === 'retry' && outcome.exhausted
    })
    expect(exhausted).toEqual([false, false, false, false, false, false, false, true])
  })

  it.each<Reason>(['ClusterUnavailable', 'DatabaseUnavailable'])(
    'never exhausts the attempts by %s',
    reason => {
      const error = new OperatorError(reason, 'away')
      const outcome = failureOutcome(error, somePass({ attempt: 1_000 }), 0)
      expect(outcome).toEqual({ kind: 'retry', error, exhausted: false })
    },
  )

  it.each<Reason>([
    'Forbidden',
    'QuotaExceeded',
    'AdmissionRefused',
    'SchemaOutdated',
    'OperatorMisconfigured',
  ])('rechecks %s without a limit, permanent or not', reason => {
    const error = new OperatorError(reason, 'refused', { fate: 'permanent' })
    const outcome = failureOutcome(error, somePass({ attempt: 1_000, waits: 0 }), 0)
    expect(outcome).toEqual({ kind: 'requeue', reason, afterMs: 30_000 })
  })

  it('looks again after a moment at a child that is being deleted', () => {
    const outcome = failureOutcome(new OperatorError('Terminating', 'deleting'), somePass(), 0)
    expect(outcome).toEqual({ kind: 'requeue', reason: 'Terminating', afterMs: 1_000 })
  })
})

describe('waitOutcome', () => {
  it('comes back less and less often to a child that a finalizer holds', () => {
    const delays = [0, 29, 30, 33].map(waits => waitOutcome('Terminating', somePass({ waits }), 0))
    expect(delays.map(each => each.kind === 'requeue' && each.afterMs)).toEqual([
      1_000, 1_000, 30_000, 150_000,
    ])
  })

  it('comes back sooner from an outage than from a cause that no watch covers', () => {
    const pass = somePass({ waits: 0 })
    expect(waitOutcome('DatabaseUnavailable', pass, 0)).toMatchObject({ afterMs: 2_000 })
    expect(waitOutcome('TeamUnknown', pass, 0)).toMatchObject({ afterMs: 30_000 })
  })
})
