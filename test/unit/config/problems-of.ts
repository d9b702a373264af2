import { type Environment, OperatorMisconfigured } from '../../../lib/config/section.ts'

/** The problems that a parse reports, one a line; empty if it reports none. */
export function problemsOf(environment: Environment, parse: (from: Environment) => unknown): string {
  try {
    parse(environment)
    return ''
  } catch (thrown) {
    if (thrown instanceof OperatorMisconfigured) return thrown.problems.join('\n')
    throw thrown
  }
}
