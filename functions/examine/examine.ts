import type { Context } from 'aws-lambda'
import {
  type ExaminationAnswer,
  type ExaminationRequest,
  type ExaminedLine,
  isExamination,
} from '../../lib/doctor/examination.ts'
import { operatorError } from '../../lib/errors.ts'
import { version } from '../../lib/version.ts'

/** Examines one thing that the function needs, from where the function runs and with its role. */
export interface ExaminedPart {
  part: string
  /** What to do if `look` throws, by the text of the error. */
  remedyOf(failure: string): string
  look(request: ExaminationRequest, signal: AbortSignal): Promise<ExaminedLine['finding'] | ExaminedLine[]>
}

/** Milliseconds. The parts are examined side by side, and the shortest timeout of a function is 30 s. */
const limitMs = 20_000
/** Milliseconds for the answer itself. */
const reserveMs = 2_000

/**
 * Makes a handler also answer the event of `doctor`: what the function reaches, one line for each thing. Nothing is
 * written and no message is sent. The laptop of an organiser is elsewhere, with other rights, so that only the function
 * can tell.
 */
export function examinable<E, R>(
  handler: (event: E, context: Context) => Promise<R>,
  parts: readonly ExaminedPart[],
): (event: E | ExaminationRequest, context: Context) => Promise<R | ExaminationAnswer> {
  return async (event, context) => {
    if (!isExamination(event)) return handler(event, context)
    const limit = Math.max(0, Math.min(limitMs, context.getRemainingTimeInMillis() - reserveMs))
    const signal = AbortSignal.timeout(limit)
    const lines = await Promise.all(parts.map(each => examinePart(each, event, signal)))
    return { version, lines: lines.flat() }
  }
}

async function examinePart(
  { part, look, remedyOf }: ExaminedPart,
  request: ExaminationRequest,
  signal: AbortSignal,
): Promise<ExaminedLine[]> {
  try {
    const found = await look(request, signal)
    return Array.isArray(found) ? found : [{ part, finding: found }]
  } catch (thrown) {
    const { message } = operatorError(thrown)
    const problem = signal.aborted ? `was not answered in time (${message})` : message
    return [{ part, finding: { problem, remedy: remedyOf(problem) } }]
  }
}

export const networkRemedy =
  'check subnets, security groups and endpoints: docs/deploy-aws.md, "Private subnets"'

/** Whether an error tells of a network that leads nowhere. */
export const isNetworkFailure = (failure: string): boolean =>
  /timed out|in time|could not be reached|cannot be reached|unreachable|nothing listens|DNS|no route/i.test(
    failure,
  )
