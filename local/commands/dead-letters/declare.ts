import type { Command } from 'commander'
import type { Environment } from '../../../lib/config/section.ts'
import { type ParsedActionOptions, selectionOf, withOutput, withSelection } from '../actions/options.ts'

interface Shell {
  env: Environment
  print: (line: string) => void
  stopOnSignal: () => AbortSignal
}

type QueueOption = { queue?: string }

/** Declares `dead-letters list` and `dead-letters retry`. */
export function declareDeadLetters(command: Command, { env, print, stopOnSignal }: Shell): void {
  withOutput(withQueue(withSelection(command.command('list'))))
    .description('show the dead letters and what they are about; all of them stay')
    .action(async (names: string[], options: ParsedActionOptions & QueueOption & { output?: string }) => {
      const { runListDeadLetters } = await import('./commands.ts')
      const { queue, output } = options
      const listed = { selection: selectionOf(names, options), queue, json: output === 'json' }
      process.exitCode = await runListDeadLetters(env, listed, print, stopOnSignal())
    })
  withQueue(withSelection(command.command('retry')))
    .description('wake what the dead letters are about, then remove them')
    .option('--yes', 'carry it out; without it, more than one letter is only shown', false)
    .option('--dry-run', 'only show what would be done', false)
    .action(async (names: string[], options: ParsedActionOptions & QueueOption) => {
      const { runRetryDeadLetters } = await import('./commands.ts')
      const { queue, yes, dryRun } = options
      const retry = { selection: selectionOf(names, options), queue, yes, dryRun }
      process.exitCode = await runRetryDeadLetters(env, retry, print, stopOnSignal())
    })
}

function withQueue(command: Command): Command {
  return command.option(
    '--queue <url>',
    'another queue of dead letters, such as that of the timers (default: DEAD_LETTERS_QUEUE_URL)',
  )
}
