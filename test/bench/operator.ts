import { openDatabase } from '../../lib/store/database.ts'
import { migrate } from '../../lib/store/migrate.ts'
import { layPlatformTables } from '../../lib/store/platform-tables.ts'
import { startTestPostgres } from '../support/postgres.ts'
import type { BenchCluster } from './bench-cluster.ts'
import { type Child, startChild } from './child.ts'
import type { OperatorStart } from './operator-process.ts'
import { environment, templateName } from './sample.ts'

/**
 * Starts Postgres and the operator in this world, in processes of their own; they end with it.
 * @param teams whose instances are known to the platform: 1 to this
 * @param profile a folder for a V8 CPU profile of the operator
 */
export async function startOperator(
  world: BenchCluster,
  teams: number,
  profile: string | undefined,
  signal: AbortSignal,
): Promise<Child> {
  const { plane, addresses, stack } = world
  const postgres = await startTestPostgres(signal)
  stack.defer(() => postgres.stop())
  const database = openDatabase({ url: postgres.url, max: 1, applicationName: 'bench' })
  try {
    await migrate(database, signal)
    const ids = Array.from({ length: teams }, (_, index) => index + 1)
    await layPlatformTables(database, { challenges: [templateName], teams: ids }, signal)
  } finally {
    await database.destroy()
  }
  const profiling = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]
  const operator = startChild('operator-process.ts', { nodeOptions: ['--expose-gc', ...profiling] })
  stack.defer(() => operator.stop())
  await operator.ask('start', {
    env: environment,
    kubeconfig: plane.kubeconfig,
    addresses: { ...addresses, databaseUrl: postgres.url },
  } satisfies OperatorStart)
  return operator
}
