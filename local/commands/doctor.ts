import { queueDepth } from '../../lib/aws/queue-check.ts'
import { parseOperatorConfig } from '../../lib/config/operator.ts'
import { variablesWithoutEffect } from '../../lib/config/reference.ts'
import type { Environment } from '../../lib/config/section.ts'
import type { WatchedNamespaces } from '../../lib/crd/namespaces.ts'
import { rightsMissing } from '../../lib/kubernetes/install/rights.ts'
import { checkSchema } from '../../lib/kubernetes/install/schema-check.ts'
import { type Database, openDatabase } from '../../lib/store/database.ts'
import { examine } from '../../lib/store/examine.ts'
import { countOpenRows, type RowsOfCluster } from '../../lib/store/rows-by-cluster.ts'
import {
  type ExternalParts,
  externalParts,
  externalSqsOptions,
  openExternalClient,
} from '../parts/external-parts.ts'

/** The result of one check. A problem comes with its remedy. */
type Finding = { fine: string } | { problem: string; remedy: string } | { skipped: string }

interface Check {
  name: string
  /** Name of another check. If that one fails, this one cannot be made. */
  needs?: string
  look(signal: AbortSignal): Promise<Finding>
}

type Print = (line: string) => void

/** Milliseconds after which a part that does not answer counts as unreachable. */
const checkMs = 10_000

/** `challenge-operator doctor`: checks every part and prints one line for each. @returns whether no check failed */
export async function runDoctor(env: Environment, print: Print, signal: AbortSignal): Promise<boolean> {
  const { namespaces, flagSecret, flagHmacPepper } = parseOperatorConfig(env)
  const parts = externalParts(env)
  printFinding('configuration', { fine: 'every variable can be read' }, print)
  for (const sentence of variablesWithoutEffect(env))
    printFinding('configuration', { skipped: sentence }, print)
  const checks = [
    ...clusterChecks(env, parts, namespaces),
    ...queueChecks(parts),
    ...databaseChecks(parts),
    secretCheck('FLAG_SECRET', flagSecret, 'templates with flags per instance stall with FlagSecretMissing'),
    secretCheck('FLAG_HMAC_PEPPER', flagHmacPepper, 'the platform gets no hashes to check flags with'),
  ]
  const failed = new Set<string>()
  for (const check of checks) {
    const finding = failed.has(check.needs ?? '')
      ? { skipped: `cannot be checked because the check of the ${check.needs} failed` }
      : await lookAt(check, signal)
    if ('problem' in finding) failed.add(check.name)
    printFinding(check.name, finding, print)
  }
  print(failed.size === 0 ? 'All is well.' : 'Fix the lines with FAIL, then run doctor again.')
  return failed.size === 0
}

function printFinding(name: string, finding: Finding, print: Print): void {
  const [word, text] =
    'fine' in finding
      ? ['ok', finding.fine]
      : 'skipped' in finding
        ? ['-', finding.skipped]
        : ['FAIL', finding.problem]
  print(`${word.padEnd(4)}  ${name.padEnd(16)}  ${text}`)
  if ('problem' in finding) print(`      ${''.padEnd(16)}  → ${finding.remedy}`)
}

async function lookAt(check: Check, signal: AbortSignal): Promise<Finding> {
  try {
    return await check.look(AbortSignal.any([signal, AbortSignal.timeout(checkMs)]))
  } catch (thrown) {
    signal.throwIfAborted()
    const problem = thrown instanceof Error ? thrown.message : String(thrown)
    return { problem, remedy: remedies[check.name] ?? 'see docs/operations.md' }
  }
}

/** The remedy for a check that threw, by its name. */
const remedies: Record<string, string> = {
  cluster: 'check KUBECONFIG, its current context, and the network between this machine and the cluster',
  schema: 'run: npx challenge-operator crds',
  rights: 'apply manifests/rbac/ and bind each role to the user of its function',
  changes: 'check CHANGES_QUEUE_URL, AWS_REGION and the AWS credentials',
  timers: 'check TIMERS_QUEUE_URL, AWS_REGION and the AWS credentials',
  'dead letters': 'check DEAD_LETTERS_QUEUE_URL, AWS_REGION and the AWS credentials',
  database: 'check DATABASE_URL, and that Postgres accepts connections from this machine',
}

function clusterChecks(env: Environment, parts: ExternalParts, namespaces: WatchedNamespaces): Check[] {
  if (!parts.cluster) return [skipped('cluster', 'KUBECONFIG is not set; npm start starts a cluster')]
  const client = openExternalClient(env, 'doctor')
  return [
    {
      name: 'cluster',
      async look(signal) {
        const { body } = await client.request('GET', '/version', {}, signal)
        const { gitVersion } = body as { gitVersion?: string }
        return { fine: `Kubernetes ${gitVersion ?? 'of an unknown version'}` }
      },
    },
    {
      name: 'schema',
      needs: 'cluster',
      async look(signal) {
        await checkSchema(client, signal)
        return { fine: 'the CRDs are of this version' }
      },
    },
    {
      name: 'rights',
      needs: 'cluster',
      async look(signal) {
        const missing = await rightsMissing(client, namespaces, signal)
        if (missing.length === 0) return { fine: 'this user may do everything that the functions do' }
        const list = missing.map(
          ({ verb, resource, namespace }) => `${verb} ${resource}${namespace ? ` in ${namespace}` : ''}`,
        )
        return { problem: `this user may not: ${list.join(', ')}`, remedy: remedies.rights ?? '' }
      },
    },
  ]
}

function queueChecks(parts: ExternalParts): Check[] {
  const { queues } = parts
  if (!queues) return [skipped('queues', 'CHANGES_QUEUE_URL is not set; npm start starts an SQS server')]
  const check = (name: string, url: string): Check => ({
    name,
    async look(signal) {
      const depth = await queueDepth(url, externalSqsOptions(parts), signal)
      if (name === 'dead letters' && depth > 0)
        return {
          problem: `the queue holds about ${depth} messages that could not be handled`,
          remedy: 'read them; each message names its reason',
        }
      return { fine: `about ${depth} messages` }
    },
  })
  return [
    check('changes', queues.changesUrl),
    check('timers', queues.timersUrl),
    check('dead letters', queues.deadLettersUrl),
  ]
}

function databaseChecks({ databaseUrl }: ExternalParts): Check[] {
  if (databaseUrl === undefined)
    return [skipped('database', 'DATABASE_URL is not set; npm start starts Postgres')]
  const check = (look: (database: Database, signal: AbortSignal) => Promise<Finding>) => ({
    async look(signal: AbortSignal) {
      const database = openDatabase({ url: databaseUrl, max: 1, applicationName: 'doctor' })
      try {
        return await look(database, signal)
      } finally {
        await database.destroy()
      }
    },
  })
  return [
    {
      name: 'database',
      ...check(async (database, signal) => databaseFinding(await examine(database, signal))),
    },
    {
      name: 'rows',
      needs: 'database',
      ...check(async (database, signal) => rowsFinding(await countOpenRows(database, signal))),
    },
  ]
}

function rowsFinding(counts: readonly RowsOfCluster[]): Finding {
  const unclaimed = counts.find(each => each.cluster === null)?.rows ?? 0
  if (unclaimed > 0)
    return {
      problem: `${unclaimed} open rows name no cluster, so no operator closes them`,
      remedy:
        'wait some minutes after an upgrade: each living instance claims its row; see the rest: npx challenge-operator close-rows',
    }
  const clusters = counts.map(({ cluster, rows }) => `${rows} of the cluster ${cluster}`)
  return { fine: clusters.length === 0 ? 'no row is open' : `open rows: ${clusters.join(', ')}` }
}

function databaseFinding({
  migrated,
  platformTables,
  mayWritePlatform,
}: Awaited<ReturnType<typeof examine>>): Finding {
  if (!migrated)
    return {
      problem: "the operator's tables are missing or older than this version",
      remedy: 'run: npx challenge-operator migrate',
    }
  if (!platformTables)
    return {
      problem: "the platform's tables do not exist in this database (PlatformTablesMissing)",
      remedy: "migrate the platform, or point DATABASE_URL at the platform's database",
    }
  if (!mayWritePlatform)
    return {
      problem: 'the user of DATABASE_URL may not write to challenges_teamserviceinstance',
      remedy: 'grant SELECT, INSERT and UPDATE on that table to the user of DATABASE_URL',
    }
  return { fine: "the operator's tables and the platform's exist" }
}

function secretCheck(name: string, value: string | undefined, otherwise: string): Check {
  return {
    name: name.toLowerCase().replaceAll('_', ' '),
    look: async () =>
      value === undefined ? { skipped: `${name} is not set: ${otherwise}` } : { fine: 'set' },
  }
}

function skipped(name: string, why: string): Check {
  return { name, look: async () => ({ skipped: why }) }
}
