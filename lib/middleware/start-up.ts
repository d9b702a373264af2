import type { OperatorConfig } from '../config/operator.ts'
import { type Environment, OperatorMisconfigured, readConfig, type Section } from '../config/section.ts'
import type { Log } from '../telemetry/log.ts'
import { openLogger } from '../telemetry/logger.ts'

/** Every function reads the operator's own section, if only for the level of its log. */
type FunctionSections = Record<string, Section<unknown>> & { operator: Section<OperatorConfig> }

export interface StartUpOptions<T extends FunctionSections> {
  /** Name of the function, in every line of its log. */
  service: string
  environment: Environment
  sections: T
}

type StartUp<T extends FunctionSections> = { [K in keyof T]: ReturnType<T[K]> } & {
  log: Log
}

/**
 * Reads the configuration of a function, and opens its log.
 * A configuration that cannot be used ends the process with all its problems on stderr and exit code 78 (EX_CONFIG).
 */
export function configured<T extends FunctionSections>(options: StartUpOptions<T>): StartUp<T> {
  const { service, environment, sections } = options
  try {
    const config = readConfig(environment, sections)
    const log = openLogger({ level: config.operator.logLevel, service })
    return { ...config, log }
  } catch (thrown) {
    if (!(thrown instanceof OperatorMisconfigured)) throw thrown
    process.stderr.write(`${thrown.message}\n`)
    process.exit(thrown.exitCode)
  }
}

/** Makes a check run until it has passed once. Callers at the same time share one run. A failed check is run again by the next caller. */
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
