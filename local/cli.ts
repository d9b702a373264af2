#!/usr/bin/env node
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Argument, Command, Option } from 'commander'
import { OperatorMisconfigured } from '../lib/config/section.ts'
import { OperatorError } from '../lib/errors.ts'
import { version } from '../lib/version.ts'
import type { SimpleCommand } from './commands/actions/commands.ts'
import {
  actionOptionsOf,
  date,
  selectionOf,
  wholeNumber,
  withActionOptions,
  withOutput,
  withSelection,
} from './commands/actions/options.ts'
import { declareClock } from './commands/clock/declare.ts'
import { declareDeadLetters } from './commands/dead-letters/declare.ts'

const localDirectory = join(import.meta.dirname, '..', '.local')
/** Time in which a process whose command has ended closes its last connections. */
const lastMs = 5_000
const { env } = process
const print = (line: string): void => void process.stdout.write(`${line}\n`)
const printError = (line: string): void => void process.stderr.write(`${line}\n`)

/** The first Ctrl-C ends everything in order. The second one ends this process at once, and its child processes follow. */
function stopOnSignal(): AbortSignal {
  const stopping = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.on(name, () => {
      if (stopping.signal.aborted) process.exit(130)
      stopping.abort(new Error(name))
    })
  return stopping.signal
}

const program = new Command('challenge-operator')
  .description('Gives every team of a capture-the-flag event its own copy of a challenge.')
  .version(version)
  .showHelpAfterError()
  .addHelpText(
    'after',
    '\nThe commands are configured by environment variables: see "Configuration" in README.md.\n' +
      'To use the parts that npm start has started, first run in your shell: . .local/env',
  )

program
  .command('up')
  .description(
    'run the operator on this machine; start every part (cluster, database, queues) that no variable names',
  )
  .option('--once', 'end as soon as the samples are Ready and their rows are written', false)
  .option('--reset', 'remove the data of the parts of earlier runs first; the secrets stay', false)
  .option('--no-samples', 'do not apply the samples')
  .option(
    '--health-port <port>',
    'serve /healthz, /readyz and /metrics on this machine; 0: a free port',
    wholeNumber(0),
  )
  .option('--directory <path>', 'folder for the data of the parts that are started', localDirectory)
  .action(async ({ directory, ...options }) => {
    const { runUp } = await import('./commands/up.ts')
    process.exitCode = await runUp({ env, directory: resolve(directory), print, ...options }, stopOnSignal())
  })

program
  .command('forward')
  .description('run only the watch-forwarder, for example in a container')
  .action(async () => {
    const { runForward } = await import('./commands/forward.ts')
    await runForward(env, print, stopOnSignal())
  })

program
  .command('run')
  .description('run functions with parts that are there already, for example in a container')
  .addArgument(
    new Argument('[functions...]', 'the functions').choices([
      'forward',
      'reconcile',
      'timer',
      'sweep',
      'publish',
    ]),
  )
  .option('--all', 'run all of them', false)
  .option('--health-port <port>', 'port of /healthz and /readyz; 0: a free one', wholeNumber(0))
  .action(async (names: string[], { all, healthPort }) => {
    const stopping = stopOnSignal()
    if (all === names.length > 0) throw new Error('Name the functions to run, or write --all.')
    const { runFunctions, functionsOf, logFailure } = await import('./commands/run.ts')
    const running = runFunctions({ env, functions: functionsOf(names), healthPort }, stopping)
    await running.catch(thrown => {
      logFailure(thrown)
      process.exitCode = exitCodeOf(thrown)
    })
  })

program
  .command('migrate')
  .description("create or upgrade the operator's tables")
  .action(async () => {
    const { runMigrate } = await import('./commands/migrate.ts')
    await runMigrate(env, print, stopOnSignal())
  })

program
  .command('crds')
  .description('install or upgrade the CRDs and admission policies')
  .action(async () => {
    const { runCrds } = await import('./commands/crds.ts')
    await runCrds(env, print, stopOnSignal())
  })

program
  .command('doctor')
  .description('check configuration, cluster, rights, queues and database, and say how to fix each problem')
  .option('--take-over', 'first make this installation (OPERATOR_STACK) the owner of the cluster', false)
  .addOption(
    new Option(
      '--stage <cluster>',
      'check the stack of deploy.<cluster>.yml on AWS in place of that',
    ).conflicts('takeOver'),
  )
  .action(async ({ stage, ...options }: { stage?: string; takeOver: boolean }) => {
    const { runDoctor, runStageDoctor } = await import('./commands/doctor.ts')
    const stopping = stopOnSignal()
    const isWell =
      stage === undefined
        ? await runDoctor(env, options, print, stopping)
        : await runStageDoctor({ stage, directory: process.cwd() }, print, stopping)
    process.exitCode = isWell ? 0 : 1
  })

program
  .command('close-rows')
  .description('show the open rows in the database that no operator closes; with --yes, close them')
  .option('--cluster <uid>', 'rows of this cluster, which is gone (default: rows that name no cluster)')
  .option('--yes', 'close the rows that are shown', false)
  .action(async options => {
    const { runCloseRows } = await import('./commands/close-rows.ts')
    await runCloseRows(env, options, print, stopOnSignal())
  })

withOutput(withSelection(program.command('get')))
  .description('show instances: all, those with the given names, or those that fit the options')
  .option('-w, --watch', 'go on and show every change, until Ctrl-C', false)
  .action(async (names: string[], { watch, output, ...selectors }) => {
    const { runGet } = await import('./commands/get.ts')
    const json = output === 'json'
    const selection = selectionOf(names, selectors)
    const options = { selection, watch, json, print, warn: json ? printError : print }
    process.exitCode = await runGet(env, options, stopOnSignal())
  })

program
  .command('timeline')
  .description('show what happened to an instance, also to one that is gone')
  .argument('<name>', 'name of the instance, or namespace/name')
  .addOption(
    new Option('-o, --output <format>', 'form of the output').choices(['text', 'json']).default('text'),
  )
  .action(async (name: string, { output }) => {
    const { runTimeline } = await import('./commands/timeline.ts')
    process.exitCode = await runTimeline(env, { name, output }, print, stopOnSignal())
  })

withActionOptions(program.command('renew'))
  .description(
    'move the end of instances to a later date; without --minutes and --until, by the TTL of the template from now',
  )
  .option('--minutes <number>', 'the end is so many minutes from now', wholeNumber(1))
  .option('--until <date>', 'the end is this date, in RFC 3339', date)
  .action(async (names: string[], { minutes, until, ...options }) => {
    const { runRenew } = await import('./commands/actions/commands.ts')
    const renewal = { ...actionOptionsOf(names, options), minutes, until }
    process.exitCode = await runRenew(env, renewal, print, stopOnSignal())
  })

simpleAction(withActionOptions(program.command('stop')).description('delete instances'), 'stop')
simpleAction(
  withActionOptions(program.command('sleep')).description(
    'remove the pods of instances and keep the instances',
  ),
  'sleep',
)
simpleAction(
  withActionOptions(program.command('wake')).description('give sleeping instances their pods again'),
  'wake',
)
simpleAction(withActionOptions(program.command('restart')).description('give instances new pods'), 'restart')

declareClock(
  program.command('clock').description('stop time for all instances, close them, or give them more time'),
  { env, print, stopOnSignal },
)

declareDeadLetters(
  program
    .command('dead-letters')
    .description('list messages that could not be handled, or retry what they are about'),
  { env, print, stopOnSignal },
)

try {
  await program.parseAsync()
} catch (thrown) {
  if (!(thrown instanceof Error)) throw thrown
  // The message of an error is enough to act on. The stack helps only with a defect of the operator.
  process.stderr.write(`${env.OPERATOR_LOG_LEVEL === 'debug' ? thrown.stack : thrown.message}\n`)
  process.exitCode = exitCodeOf(thrown)
  const file = join(localDirectory, 'env')
  if (thrown instanceof OperatorMisconfigured && existsSync(file) && !env.KUBECONFIG && !env.DATABASE_URL)
    process.stderr.write(`To use the parts that npm start has started, first run in this shell: . ${file}\n`)
}

// Everything has ended in order by now. A function that ignored its signal must not keep the process.
setTimeout(() => process.exit(), lastMs).unref()

function simpleAction(command: Command, name: SimpleCommand): void {
  command.action(async (names: string[], options) => {
    const { runSimpleAction } = await import('./commands/actions/commands.ts')
    process.exitCode = await runSimpleAction(
      name,
      env,
      actionOptionsOf(names, options),
      print,
      stopOnSignal(),
    )
  })
}

/**
 * 78 is EX_CONFIG of sysexits.h: the command fails again until the configuration changes or `challenge-operator crds` has
 * run.
 */
function exitCodeOf(thrown: Error): number {
  if (thrown instanceof OperatorMisconfigured) return thrown.exitCode
  const needsChange = ['SchemaOutdated', 'OperatorMisconfigured']
  return thrown instanceof OperatorError && needsChange.includes(thrown.reason) ? 78 : 1
}
