import { type Command, InvalidArgumentError } from 'commander'
import type { Environment } from '../../../lib/config/section.ts'
import { wholeNumber } from '../actions/options.ts'

interface Shell {
  env: Environment
  print: (line: string) => void
  stopOnSignal: () => AbortSignal
}

const switches = [
  ['pause', 'paused', true, 'nothing is created, changed, ended or hibernated any more'],
  ['resume', 'paused', false, 'end the pause'],
  ['lockdown', 'lockdown', true, 'close every instance in both directions'],
  ['open', 'lockdown', false, 'end the lockdown'],
] as const

/** Declares `clock show`, `pause`, `resume`, `lockdown`, `open` and `credit`. */
export function declareClock(command: Command, { env, print, stopOnSignal }: Shell): void {
  command
    .command('show')
    .description('show pause, lockdown and credits, and whether the operator acts on them')
    .action(async () => {
      const { runShowClock } = await import('./commands.ts')
      process.exitCode = await runShowClock(env, print, stopOnSignal())
    })
  for (const [name, kind, value, description] of switches)
    command
      .command(name)
      .description(description)
      .action(async () => {
        const { runSwitchClock } = await import('./commands.ts')
        process.exitCode = await runSwitchClock(env, { kind, value }, print, stopOnSignal())
      })
  command
    .command('credit')
    .description('give instances that live now more time, for example after an outage')
    .requiredOption(
      '--minutes <number>',
      'so many minutes; negative ones are taken away, with --yes',
      minutesOf,
    )
    .option('--event <id>', 'only instances of this event', wholeNumber(1))
    .option('--team <id>', 'only instances of this team', wholeNumber(0))
    .option('--template <name>', 'only instances of this template')
    .option('--id <id>', 'name of the credit (default: by the time)')
    .option('--yes', 'carry out a credit that takes minutes away', false)
    .action(async ({ id, minutes, event, team, template, yes }) => {
      const { runCredit } = await import('./commands.ts')
      const credit = { id, minutes, event, team, template, yes }
      process.exitCode = await runCredit(env, credit, print, stopOnSignal())
    })
}

function minutesOf(text: string): number {
  const value = Number(text)
  if (!/^-?\d+$/.test(text) || value === 0 || !Number.isSafeInteger(value))
    throw new InvalidArgumentError('Write a whole number of minutes other than 0.')
  return value
}
