import { controlPlaneBinaries } from '../../../local/control-plane/binaries.ts'
import { startControlPlane } from '../../../local/control-plane/start.ts'
import { startPostgres } from '../../../local/parts/postgres.ts'

/** A process that a test starts and kills: starts one part in a folder, prints `started`, and stays. */
const [part, directory] = process.argv.slice(2) as [string, string]
const { env } = process
const signal = new AbortController().signal
if (part === 'control-plane') {
  const binaries = await controlPlaneBinaries({ env, progress: () => {} }, signal)
  await startControlPlane({ directory, binaries, env, full: false, unsafeNoFsync: true }, signal)
} else {
  await startPostgres({ directory, env, unsafeNoFsync: true }, signal)
}
process.stdout.write('started\n')
setInterval(() => {}, 60_000)
