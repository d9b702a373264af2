import type { Check, Finding } from '../../../lib/doctor/check.ts'
import { lookAt } from './check.ts'

type Print = (line: string) => void

/**
 * Makes the checks in their order, and prints a line for each finding.
 * @param options `nothingExamined`: what to say where every check was a note
 * @returns whether no check failed
 */
export async function runChecks(
  checks: readonly Check[],
  { print, nothingExamined }: { print: Print; nothingExamined: string },
  signal: AbortSignal,
): Promise<boolean> {
  const failed = new Set<string>()
  /** The check that keeps a check from being made, by the name of the latter. */
  const barred = new Map<string, string>()
  const counts = { examined: 0, unknown: 0 }
  for (const check of checks) {
    const bar = barOf(check, { failed, barred })
    if (bar !== undefined) barred.set(check.name, bar)
    const findings =
      bar === undefined
        ? await lookAt(check, signal)
        : [{ note: `not checked, because the check of the ${bar} failed` }]
    for (const finding of findings) {
      if ('problem' in finding) failed.add(check.name)
      if ('unknown' in finding) counts.unknown++
      if (!('note' in finding)) counts.examined++
      printFinding(check.name, finding, print)
    }
  }
  if (failed.size > 0) print('Fix the lines with FAIL, then run doctor again.')
  else if (counts.examined === 0) print(nothingExamined)
  else if (counts.unknown === 0) print('All is well.')
  else print(`All that could be checked is well; ${counts.unknown} lines with ? could not be.`)
  return failed.size === 0
}

function barOf(
  { needs = '' }: Check,
  { failed, barred }: { failed: ReadonlySet<string>; barred: ReadonlyMap<string, string> },
): string | undefined {
  return failed.has(needs) ? needs : barred.get(needs)
}

export function printFinding(name: string, finding: Finding, print: Print): void {
  const [word, text] = wordAndText(finding)
  print(`${word.padEnd(4)}  ${name.padEnd(16)}  ${inOneLine(text)}`)
  if ('problem' in finding) print(`      ${''.padEnd(16)}  → ${inOneLine(finding.remedy)}`)
}

/** A finding may have what a cluster or AWS answered, which must not command the terminal or look like another line. */
function inOneLine(text: string): string {
  return text.toWellFormed().replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
}

function wordAndText(finding: Finding): [word: string, text: string] {
  if ('fine' in finding) return ['ok', finding.fine]
  if ('problem' in finding) return ['FAIL', finding.problem]
  return 'unknown' in finding ? ['?', finding.unknown] : ['-', finding.note]
}
