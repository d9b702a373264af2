import type { Environment } from '../../lib/config/section.ts'
import { note } from '../../lib/doctor/check.ts'
import { openClient } from '../../lib/kubernetes/client/client.ts'
import { userAgentOf } from '../../lib/kubernetes/client/user-agent.ts'
import { configuredConnection } from '../../lib/kubernetes/connection/connection.ts'
import { externalSecrets, readOperatorAndParts } from '../parts/external-parts.ts'
import { clusterChecks } from './doctor/cluster-checks.ts'
import { databaseChecks } from './doctor/database-checks.ts'
import { takeOver } from './doctor/installation-check.ts'
import { keyChecks } from './doctor/key-checks.ts'
import { queueChecks } from './doctor/queue-checks.ts'
import { printFinding, runChecks } from './doctor/run-checks.ts'
import { traceHeadersChecks } from './doctor/trace-headers-check.ts'

type Print = (line: string) => void

/**
 * `challenge-operator doctor`: checks every part and prints a line for each finding.
 * @param options `takeOver`: makes this installation the owner of the cluster first
 * @returns whether no check failed
 */
export async function runDoctor(
  env: Environment,
  { takeOver: takesOver }: { takeOver: boolean },
  print: Print,
  signal: AbortSignal,
): Promise<boolean> {
  const { config, parts } = readOperatorAndParts(env)
  printFinding('configuration', { fine: 'every variable can be read' }, print)
  const connection = parts.cluster && configuredConnection(parts.cluster)
  const client = connection && openClient({ connection, userAgent: userAgentOf('doctor') })
  const checks = [
    ...(client && connection
      ? clusterChecks({ client, connection }, config)
      : [note('cluster', 'KUBECONFIG is not set; npm start starts a cluster')]),
    ...queueChecks(parts),
    ...databaseChecks(parts, config),
    ...(parts.bus === undefined ? [note('event bus', noBusNote)] : []),
    ...keyChecks(config, externalSecrets(env)),
    ...traceHeadersChecks(config, externalSecrets(env)),
  ]
  if (takesOver && client === undefined)
    throw new Error('--take-over needs the cluster that it takes over; set KUBECONFIG')
  try {
    if (takesOver && client) print(await takeOver(client, config, signal))
    return await runChecks(checks, { print, nothingExamined }, signal)
  } finally {
    await client?.close()
  }
}

/**
 * `challenge-operator doctor --stage <cluster>`: checks a stack that is deployed on AWS.
 * @returns whether no check failed
 */
export async function runStageDoctor(
  examined: { stage: string; directory: string },
  print: Print,
  signal: AbortSignal,
): Promise<boolean> {
  const { checksOfStage } = await import('../../deploy/doctor/doctor.ts').catch(cause => {
    const where = 'a checkout of the repository with all its packages (npm ci); a container image lacks them'
    throw new Error(`doctor --stage needs ${where}`, { cause })
  })
  return runChecks(await checksOfStage(examined), { print, nothingExamined }, signal)
}

const nothingExamined =
  'No part is named, so nothing was checked. To check what npm start has started: . .local/env'

const noBusNote =
  'EVENT_BUS_NAME is not set: npm start starts a bus; challenge-operator run publishes nothing and keeps the events'
