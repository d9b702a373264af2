import { expect, test } from 'vitest'
import { OperatorError, operatorError } from '../../../../lib/errors.ts'
import { reasons } from '../../../../lib/reasons.ts'
import { failureObstacle } from '../../../../lib/reconcile/pass/obstacle.ts'
import { failureOutcome } from '../../../../lib/reconcile/pass/outcome.ts'
import { somePass } from '../passes.ts'

test('the status of a programming error has the fixed sentence and not the text of the error', () => {
  const error = operatorError(new TypeError("Cannot read properties of undefined (reading 'uid')"))
  const obstacle = failureObstacle(error, failureOutcome(error, somePass({ attempt: 0 }), 0))
  expect(obstacle).toEqual({ reason: 'Internal', message: reasons.Internal.sentence, stalled: false })
})

test('the status of a failure after its last attempt says so', () => {
  const error = new OperatorError('TemplateInvalid', 'The kind has no such field.')
  const obstacle = failureObstacle(error, failureOutcome(error, somePass({ attempt: 7 }), 0))
  expect(obstacle).toEqual({
    reason: 'TemplateInvalid',
    message: 'The kind has no such field. The operator has given up; change the instance or set force-sync.',
    stalled: true,
  })
})
