import type { Finding } from '../../lib/doctor/check.ts'

/** What AWS said: the answer, that there is no such thing, or that this user may not know. */
export type Answer<T> = { answer: T } | { missing: true } | { unknown: string }

/** Names of the errors of a user without the right, as the services spell them. */
const refused = /^(AccessDenied|AccessDeniedException|AuthorizationError(Exception)?|UnauthorizedOperation)$/

const missing =
  /^(QueueDoesNotExist|AWS\.SimpleQueueService\.NonExistentQueue|ResourceNotFoundException|NoSuchEntity(Exception)?|NotFound(Exception)?|ParameterNotFound)$/

/** An endpoint that is not AWS may lack an action. */
const unsupported = /^(InvalidAction|UnknownOperationException|NotImplemented(Error)?|UnsupportedOperation)$/

/**
 * Asks AWS.
 * @param right the right that the question needs
 * @throws what the SDK throws for every other failure
 */
export async function ask<T>(right: string, call: () => Promise<T>): Promise<Answer<T>> {
  try {
    return { answer: await call() }
  } catch (thrown) {
    const {
      name = '',
      message = '',
      $metadata,
    } = thrown as {
      name?: string
      message?: string
      $metadata?: { httpStatusCode?: number }
    }
    if (refused.test(name)) return { unknown: `not known: you may not ask (${right})` }
    // CloudFormation has no error of its own for a stack that does not exist.
    if (missing.test(name) || /does not exist/.test(message)) return { missing: true }
    const status = $metadata?.httpStatusCode
    if (unsupported.test(name) || status === 501 || status === 404 || status === 405)
      return { unknown: `not known: the endpoint does not answer the question (${right})` }
    throw thrown
  }
}

/** Judges an answer, where there is one. */
export function judged<T>(
  answer: Answer<T>,
  judge: (answer: T) => Finding | Finding[],
  whenMissing: Finding,
): Finding[] {
  if ('unknown' in answer) return [{ unknown: answer.unknown }]
  return 'missing' in answer ? [whenMissing] : [judge(answer.answer)].flat()
}

/** Puts the name of a thing before each finding about it. */
export function named(name: string, findings: readonly Finding[]): Finding[] {
  return findings.map(each => {
    if ('fine' in each) return { fine: `${name}: ${each.fine}` }
    if ('note' in each) return { note: `${name}: ${each.note}` }
    if ('unknown' in each) return { unknown: `${name}: ${each.unknown}` }
    return { ...each, problem: `${name}: ${each.problem}` }
  })
}
