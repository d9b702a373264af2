import type { Section } from '../config/section.ts'
import { ConfigInvalid, type Environment, readConfig } from '../config.ts'

/** What a function reads of its environment; an unusable one ends the process with all complaints and 78 (EX_CONFIG). */
export function configured<T extends Record<string, Section<unknown>>>(
  environment: Environment,
  sections: T,
): { [K in keyof T]: ReturnType<T[K]> } {
  try {
    return readConfig(environment, sections)
  } catch (thrown) {
    if (!(thrown instanceof ConfigInvalid)) throw thrown
    process.stderr.write(`${thrown.message}\n`)
    process.exit(thrown.exitCode)
  }
}

/** A check that has passed is not repeated; one that fails is tried again by the next to ask. */
export function once(
  check: (signal: AbortSignal) => Promise<unknown>,
): (signal: AbortSignal) => Promise<void> {
  let passed: Promise<unknown> | undefined
  return async signal => {
    passed ??= check(signal)
    try {
      await passed
    } catch (thrown) {
      passed = undefined
      throw thrown
    }
  }
}
