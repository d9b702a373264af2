import { RE2JS } from 're2js'

/** Instructions of all patterns of a schema together: a value has 1 KB, so a check stays within some 10 million steps. */
const programLimit = 10_000

export class PatternRefused extends Error {}

/**
 * Regular expressions for ajv that take time linear in the value, whatever the pattern: `^(a+)+$` on 30 characters
 * took JavaScript's own 20 s. One per schema, since the patterns of a schema share one bound.
 */
export function linearPatterns() {
  let program = 0
  const compile = (pattern: string) => {
    const compiled = compiledPattern(pattern)
    program += compiled.programSize()
    if (program > programLimit)
      throw new PatternRefused('its patterns are too large together; write smaller repetitions')
    return { test: (value: string) => compiled.test(value) }
  }
  // What ajv writes into standalone code, which we never ask for.
  return Object.assign(compile, { code: 'linearPattern' })
}

function compiledPattern(pattern: string): RE2JS {
  try {
    return RE2JS.compile(RE2JS.translateRegExp(pattern))
  } catch {
    const shown = JSON.stringify(pattern.length > 80 ? `${pattern.slice(0, 80)}…` : pattern)
    throw new PatternRefused(
      `pattern ${shown} cannot be checked in linear time; write it without look-around, back references and repetitions over 1000`,
    )
  }
}
