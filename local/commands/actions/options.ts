import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Phase } from '../../../lib/crd/challenge-instance.ts'
import { dateAdvice, parseTime } from '../../../lib/lifetime.ts'
import { reasons } from '../../../lib/reasons.ts'
import type { ActionOptions } from './commands.ts'
import { phases, type Selection } from './selection.ts'

/** The options that `withSelection` declares, as commander parses them. */
export interface SelectionOptions {
  event?: number
  team?: number
  template?: string
  phase?: Phase[]
  reason?: string[]
}

export interface ParsedActionOptions extends SelectionOptions {
  all: boolean
  yes: boolean
  dryRun: boolean
}

/** Declares the names and selectors of instances. */
export function withSelection(command: Command): Command {
  return command
    .argument('[names...]', 'names of instances, or namespace/name')
    .option('--event <id>', 'instances of this event', wholeNumber(1))
    .option('--team <id>', 'instances of this team', wholeNumber(0))
    .option('--template <name>', 'instances of this template')
    .option(
      '--phase <phases>',
      `instances in one of these phases, with commas between: ${phases.join(', ')}`,
      phaseList,
    )
    .option('--reason <reasons>', 'instances with one of these reasons, with commas between', reasonList)
}

/** Declares the form of the output: a table or JSON. */
export function withOutput(command: Command): Command {
  const option = new Option('-o, --output <format>', 'form of the output')
  return command.addOption(option.choices(['table', 'json']).default('table'))
}

/** Declares what every action on instances has: which ones, and whether it is carried out. */
export function withActionOptions(command: Command): Command {
  return withSelection(command)
    .option('--all', 'all instances of the watched namespaces', false)
    .option('--yes', 'carry it out; without it, more than one instance is only shown', false)
    .option('--dry-run', 'only show what would be done', false)
}

export function selectionOf(names: string[], options: SelectionOptions): Selection {
  const { event, team, template, phase, reason } = options
  return { names, event, team, template, phases: phase, reasons: reason }
}

export function actionOptionsOf(names: string[], options: ParsedActionOptions): ActionOptions {
  const { all, yes, dryRun } = options
  return { selection: selectionOf(names, options), all, yes, dryRun }
}

export function wholeNumber(least: number): (text: string) => number {
  return text => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < least || !Number.isSafeInteger(value))
      throw new InvalidArgumentError(`Write a whole number from ${least} on.`)
    return value
  }
}

/** @returns epoch milliseconds */
export function date(text: string): number {
  const at = parseTime(text)
  if (at === undefined) throw new InvalidArgumentError(`Please ${dateAdvice}.`)
  return at
}

function phaseList(text: string): Phase[] {
  return listOf(text, phases, `The phases are ${phases.join(', ')}.`)
}

function reasonList(text: string): string[] {
  return listOf(text, Object.keys(reasons), 'docs/operations.md lists all reasons.')
}

function listOf<T extends string>(text: string, known: readonly T[], advice: string): T[] {
  const words = text.split(',').map(word => word.trim())
  const wrong = words.filter(word => !known.includes(word as T))
  if (wrong.length > 0) throw new InvalidArgumentError(`Unknown: ${wrong.join(', ')}. ${advice}`)
  return words as T[]
}
