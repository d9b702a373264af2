import type { Environment } from '../../lib/config/section.ts'
import { openClient } from '../../lib/kubernetes/client/client.ts'
import { userAgentOf } from '../../lib/kubernetes/client/user-agent.ts'
import { configuredConnection } from '../../lib/kubernetes/connection/connection.ts'
import { externalSecrets, readOperatorAndParts } from '../parts/external-parts.ts'
import { type Check, type Finding, lookAt, note } from './doctor/check.ts'
import { clusterChecks } from './doctor/cluster-checks.ts'
import { databaseChecks } from './doctor/database-checks.ts'
import { takeOver } from './doctor/installation-check.ts'
import { keyChecks } from './doctor/key-checks.ts'
import { queueChecks } from './doctor/queue-checks.ts'

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
  ]
  try {
    if (takesOver && client) print(await takeOver(client, config, signal))
    return await runChecks(checks, print, signal)
  } finally {
    await client?.close()
  }
}

const noBusNote =
  'EVENT_BUS_NAME is not set: npm start starts a bus; challenge-operator run publishes nothing and keeps the events'

async function runChecks(checks: readonly Check[], print: Print, signal: AbortSignal): Promise<boolean> {
  const failed = new Set<string>()
  let examined = 0
  for (const check of checks) {
    const findings = failed.has(check.needs ?? '')
      ? [{ note: `not checked, because the check of the ${check.needs} failed` }]
      : await lookAt(check, signal)
    for (const finding of findings) {
      if ('problem' in finding) failed.add(check.name)
      if (!('note' in finding)) examined++
      printFinding(check.name, finding, print)
    }
  }
  if (failed.size > 0) print('Fix the lines with FAIL, then run doctor again.')
  else print(examined > 0 ? 'All is well.' : nothingExamined)
  return failed.size === 0
}

const nothingExamined =
  'No part is named, so nothing was checked. To check what npm start has started: . .local/env'

function printFinding(name: string, finding: Finding, print: Print): void {
  const [word, text] =
    'fine' in finding
      ? ['ok', finding.fine]
      : 'note' in finding
        ? ['-', finding.note]
        : ['FAIL', finding.problem]
  print(`${word.padEnd(4)}  ${name.padEnd(16)}  ${text}`)
  if ('problem' in finding) print(`      ${''.padEnd(16)}  → ${finding.remedy}`)
}
