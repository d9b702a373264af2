import { parseClock } from '../../../lib/clock/parse.ts'
import { type ClockState, type Credit, openClock, stateAfter } from '../../../lib/clock/state.ts'
import { rfc3339 } from '../../../lib/lifetime.ts'
import type { ReadClock } from './clock-maps.ts'

/** Returns the lines that tell what the operator acts on, and what organisers wrote where that is something else. */
export function clockLines({ order, state, looked, problem }: ReadClock, where: string): string[] {
  const acting =
    state === 'unreadable' ? ['ConfigMap challenge-operator-clock cannot be read.'] : stateLines(state)
  if (!looked)
    return [
      `The operator has not looked at ${where} as it is now. It asks for:`,
      ...askedLines(order, state),
      'The operator acts on:',
      ...acting,
    ]
  if (problem !== undefined) return [`The operator does not follow ${where}. ${problem}`, ...acting]
  return acting
}

function askedLines(order: ReadClock['order'], state: ReadClock['state']): string[] {
  const parsed = parseClock(order ?? {}, undefined)
  if ('problems' in parsed) return parsed.problems.map(problem => `  - ${problem}`)
  return stateLines(
    stateAfter(parsed.order, state === 'unreadable' || state === undefined ? openClock : state),
  )
}

/** Says whom a credit is for. */
export function scopeOf({ event, template, team }: Omit<Credit, 'id' | 'minutes' | 'at'>): string {
  const parts = [
    ...(event === undefined ? [] : [`event ${event}`]),
    ...(template === undefined ? [] : [`template ${template}`]),
    ...(team === undefined ? [] : [`team ${team}`]),
  ]
  return parts.length === 0 ? 'all instances' : parts.join(', ')
}

function stateLines({ paused, lockdown, credits }: ClockState = openClock): string[] {
  return [
    `paused    ${paused ? 'yes: nothing is created, changed, ended or hibernated' : 'no'}`,
    `lockdown  ${lockdown ? 'yes: no instance is reached, and none reaches anything' : 'no'}`,
    `credits   ${credits.length === 0 ? 'none' : ''}`.trimEnd(),
    ...credits.map(
      credit =>
        `  ${credit.id}  ${credit.minutes} minutes for ${scopeOf(credit)}, given at ${rfc3339(credit.at)}`,
    ),
  ]
}
