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
  const databaseUrl = await startDatabase(cluster, { teams, challenges: [templateName] }, signal)
  return startOperatorProcess(cluster, { databaseUrl, profile, environment: sample.environment })
}

/** Starts Postgres with the tables of operator and platform. It ends with the cluster. @returns its address */
export async function startDatabase(
  { stack }: BenchCluster,
  { teams, challenges }: { teams: number; challenges: readonly string[] },
  signal: AbortSignal,
): Promise<string> {
  const postgres = await startTestPostgres(signal)
  stack.defer(() => postgres.stop())
  const database = openDatabase({ url: postgres.url, max: 1, applicationName: 'bench' })
  try {
    await migrate(database, signal)
    const ids = Array.from({ length: teams }, (_, index) => index + 1)
    await createPlatformTables(database, { challenges: [...challenges], teams: ids }, signal)
  } finally {
    await database.destroy()
  }
  return postgres.url
}

export interface OperatorProcessOptions extends Pick<OperatorStart, 'functions'> {
  databaseUrl: string
  environment: Record<string, string>
  /** Folder for a V8 CPU profile. */
  profile?: string | undefined
}

/** Starts functions of the operator in a process of their own. It ends with the cluster. */
export async function startOperatorProcess(
  { plane, addresses, stack }: BenchCluster,
  { databaseUrl, environment, profile, ...functions }: OperatorProcessOptions,
): Promise<Child> {
  const profiling = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]
  const operator = startChild('operator-process.ts', { nodeOptions: ['--expose-gc', ...profiling] })
  stack.defer(() => operator.stop())
  await operator.ask('start', {
    env: environment,
    kubeconfig: plane.kubeconfig,
    addresses: { ...addresses, databaseUrl },
    ...functions,
  } satisfies OperatorStart)
  return operator
}
