import { RE2JS } from 're2js'

/** Instructions of all patterns of a schema together. A value has at most 1 KB, so a check takes at most some 10 million steps. */
const programLimit = 10_000

interface Test {
  test(value: string): boolean
}

export interface LinearPatterns {
  /** The engine of regular expressions for ajv. A pattern that it does not accept matches nothing. */
  regExp: ((pattern: string) => Test) & { code: string }
  /** The problem of the first pattern that was not accepted. */
  problem(): string | undefined
}

/**
 * Regular expressions whose time is linear in the length of the value, for every pattern. `^(a+)+$` on 30 characters
 * took JavaScript's own engine 20 s. Each schema has its own, since its patterns share one limit.
 */
export function createLinearPatterns(): LinearPatterns {
  let programSize = 0
  let problem: string | undefined
  const compile = (pattern: string): Test => {
    const compiled = problem === undefined ? compiledPattern(pattern) : undefined
    if (compiled === undefined) {
      problem ??= notLinear(pattern)
      return { test: () => false }
    }
    programSize += compiled.programSize()
    if (programSize > programLimit) problem = 'its patterns are too large together; write smaller repetitions'
    return { test: value => compiled.test(value) }
  }
  return {
    // ajv writes `code` into standalone validators, which the operator never asks for.
    regExp: Object.assign(compile, { code: 'linearPattern' }),
    problem: () => problem,
  }
}

function compiledPattern(pattern: string): RE2JS | undefined {
  try {
    return RE2JS.compile(RE2JS.translateRegExp(pattern))
  } catch {
    return undefined
  }
}

function notLinear(pattern: string): string {
  const shown = JSON.stringify(pattern.length > 80 ? `${pattern.slice(0, 80)}…` : pattern)
  return `pattern ${shown} cannot be checked in linear time; write it without look-around, back references and repetitions over 1000`
}
