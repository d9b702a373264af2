#!/usr/bin/env node
import { join, resolve } from 'node:path'
import { Command } from 'commander'
import { ConfigInvalid } from '../lib/config/section.ts'
import { OperatorError } from '../lib/errors.ts'

const localDirectory = join(import.meta.dirname, '..', '.local')
const { env } = process
const print = (line: string): void => void process.stdout.write(`${line}\n`)

/** One Ctrl-C ends everything in order; a second one, at once (what is embedded then ends by itself). */
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
  .showHelpAfterError()

program
  .command('up')
  .description('run everything on this machine; what is not given (cluster, database, queues) is started')
  .option('--once', 'end as soon as the samples are Ready and their rows written', false)
  .option('--reset', 'throw away what earlier runs left, first', false)
  .option('--no-samples', 'apply no samples')
  .option('--directory <path>', 'where what is started keeps its data', localDirectory)
  .action(async ({ directory, ...options }) => {
    const { up } = await import('./commands/up.ts')
    process.exitCode = await up({ env, directory: resolve(directory), print, ...options }, stopOnSignal())
  })

program
  .command('forward')
  .description('run the watch-forwarder alone, as in a container')
  .action(async () => {
    const { runForward } = await import('./commands/forward.ts')
    await runForward(env, print, stopOnSignal())
  })

program
  .command('migrate')
  .description("bring the operator's tables to this version")
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
  .description('check cluster, rights, queues and database one by one, and say how to mend each')
  .action(async () => {
    const { doctor } = await import('./commands/doctor.ts')
    process.exitCode = (await doctor(env, print, stopOnSignal())) ? 0 : 1
  })

program
  .command('get')
  .description('show instances, all or the named ones')
  .argument('[names...]')
  .action(async (names: string[]) => {
    const { runGet } = await import('./commands/get.ts')
    process.exitCode = await runGet(env, names, print, stopOnSignal())
  })

try {
  await program.parseAsync()
} catch (thrown) {
  if (!(thrown instanceof Error)) throw thrown
  // A mistake of the user, or of the world, is told by its sentence; the stack is for who looks for a defect of ours.
  process.stderr.write(`${env.OPERATOR_LOG_LEVEL === 'debug' ? thrown.stack : thrown.message}\n`)
  process.exitCode = exitCodeOf(thrown)
}

/** 78 (EX_CONFIG): trying again does not help, another configuration or `challenge-operator crds` does. */
function exitCodeOf(thrown: Error): number {
  if (thrown instanceof ConfigInvalid) return thrown.exitCode
  return thrown instanceof OperatorError && thrown.reason === 'SchemaOutdated' ? 78 : 1
}
