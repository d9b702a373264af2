import { openDatabase } from '../../lib/store/database.ts'
import { migrate } from '../../lib/store/migrate.ts'
import { createPlatformTables } from '../../lib/store/platform-tables.ts'
import { startTestPostgres } from '../support/postgres.ts'
import type { BenchCluster } from './bench-cluster.ts'
import { type Child, startChild } from './child.ts'
import type { OperatorStart } from './operator-process.ts'
import { type Sample, templateName } from './sample.ts'

/**
 * Starts Postgres and the operator, each in a process of its own. They end with the cluster.
 * @param teams number of teams that the platform knows, with the ids from 1
 * @param profile folder for a V8 CPU profile of the operator
 * @param sample what the operator is going to be asked for
 */
export async function startOperator(
  cluster: BenchCluster,
  { teams, profile, sample }: { teams: number; profile: string | undefined; sample: Sample },
  signal: AbortSignal,
): Promise<Child> {
  const { plane, addresses, stack } = cluster
  const postgres = await startTestPostgres(signal)
  stack.defer(() => postgres.stop())
  const database = openDatabase({ url: postgres.url, max: 1, applicationName: 'bench' })
  try {
    await migrate(database, signal)
    const ids = Array.from({ length: teams }, (_, index) => index + 1)
    await createPlatformTables(database, { challenges: [templateName], teams: ids }, signal)
  } finally {
    await database.destroy()
  }
  const profiling = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]
  const operator = startChild('operator-process.ts', { nodeOptions: ['--expose-gc', ...profiling] })
  stack.defer(() => operator.stop())
  await operator.ask('start', {
    env: sample.environment,
    kubeconfig: plane.kubeconfig,
    addresses: { ...addresses, databaseUrl: postgres.url },
  } satisfies OperatorStart)
  return operator
}
