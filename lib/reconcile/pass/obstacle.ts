import type { OperatorError } from '../../errors.ts'
import { reasons } from '../../reasons.ts'
import type { Obstacle } from './findings.ts'
import type { Outcome } from './outcome.ts'

/** @param outcome of the pass that met the failure */
export function failureObstacle(error: OperatorError, outcome: Outcome): Obstacle {
  const givenUp = outcome.kind === 'retry' && outcome.exhausted
  const message = messageForStatus(error)
  return {
    reason: error.reason,
    message: givenUp
      ? `${message} The operator has given up; change the instance or set force-sync.`
      : message,
    stalled: givenUp || error.fate === 'permanent',
  }
}

/**
 * The message of an error as a status may show it. An `Internal` error was translated by no adapter, so its text could
 * be that of a `TypeError` or quote anything: the status shows a fixed sentence, and the log has the message.
 */
export function messageForStatus({ reason, message }: OperatorError): string {
  return reason === 'Internal' ? reasons.Internal.sentence : message
}
