import { queueDepth } from '../../lib/aws/queue-check.ts'
import { parseOperatorConfig } from '../../lib/config/operator.ts'
import type { Environment } from '../../lib/config/section.ts'
import { rightsMissing } from '../../lib/kubernetes/install/rights.ts'
import { checkSchema } from '../../lib/kubernetes/install/schema-check.ts'
import { openDatabase } from '../../lib/store/database.ts'
import { examine } from '../../lib/store/examine.ts'
import {
  type ExternalParts,
  externalParts,
  externalSqsOptions,
  openExternalClient,
} from '../parts/external-parts.ts'

/** What one check found: a fact, or what is wrong and how to mend it. */
type Finding = { fine: string } | { wrong: string; mend: string } | { skipped: string }

interface Check {
  name: string
  /** Name of a check without which this one says nothing. */
  needs?: string
  look(signal: AbortSignal): Promise<Finding>
}

/** A part that does not answer in this time is as good as away. */
const patienceMs = 10_000

/** Checks every part on its own, one line each. @returns whether all is well */
export async function doctor(
  env: Environment,
  print: (line: string) => void,
  signal: AbortSignal,
): Promise<boolean> {
  const { namespaces, flagSecret, flagHmacPepper } = parseOperatorConfig(env)
  const given = externalParts(env)
  print('ok    configuration     every variable can be read')
  const checks = [
    ...clusterChecks(env, given, namespaces),
    ...queueChecks(given),
    ...databaseChecks(given),
    secretCheck('FLAG_SECRET', flagSecret, 'templates with flags per instance stall with FlagSecretMissing'),
    secretCheck('FLAG_HMAC_PEPPER', flagHmacPepper, 'the platform gets no hashes to check flags with'),
  ]
  const failed = new Set<string>()
  for (const check of checks) {
    const finding = failed.has(check.needs ?? '')
      ? { skipped: `cannot be checked without the ${check.needs}` }
      : await look(check, signal)
    const word = 'fine' in finding ? 'ok  ' : 'skipped' in finding ? '-   ' : 'FAIL'
    const text = 'fine' in finding ? finding.fine : 'skipped' in finding ? finding.skipped : finding.wrong
    print(`${word}  ${check.name.padEnd(16)}  ${text}`)
    if ('wrong' in finding) {
      failed.add(check.name)
      print(`      ${''.padEnd(16)}  → ${finding.mend}`)
    }
  }
  print(failed.size === 0 ? 'All is well.' : 'Mend what FAILs, then ask again.')
  return failed.size === 0
}

async function look(check: Check, signal: AbortSignal): Promise<Finding> {
  try {
    return await check.look(AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]))
  } catch (thrown) {
    signal.throwIfAborted()
    const wrong = thrown instanceof Error ? thrown.message : String(thrown)
    return { wrong, mend: mends[check.name] ?? 'see docs/operations.md' }
  }
}

const mends: Record<string, string> = {
  cluster: 'check KUBECONFIG, the current context and the network between here and there',
  schema: 'run: npx challenge-operator crds',
  rights: 'apply manifests/rbac/ and bind the roles to whom the functions run as',
  changes: 'check CHANGES_QUEUE_URL, AWS_REGION and the credentials',
  timers: 'check TIMERS_QUEUE_URL, AWS_REGION and the credentials',
  'dead letters': 'check DEAD_LETTERS_QUEUE_URL, AWS_REGION and the credentials',
  database: 'check DATABASE_URL and that Postgres accepts connections from here',
}

function clusterChecks(env: Environment, given: ExternalParts, namespaces: readonly string[] | '*'): Check[] {
  if (!given.cluster) return [skip('cluster', 'none given (KUBECONFIG); npm start starts one')]
  const client = openExternalClient(env, 'doctor')
  return [
    {
      name: 'cluster',
      async look(signal) {
        const { body } = await client.request('GET', '/version', {}, signal)
        return {
          fine: `Kubernetes ${(body as { gitVersion?: string }).gitVersion ?? 'of an unknown version'}`,
        }
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
        if (missing.length === 0) return { fine: 'everything the functions do is allowed' }
        const list = missing.map(
          ({ verb, resource, namespace }) => `${verb} ${resource}${namespace ? ` in ${namespace}` : ''}`,
        )
        return { wrong: `not allowed: ${list.join(', ')}`, mend: mends.rights ?? '' }
      },
    },
  ]
}

function queueChecks(given: ExternalParts): Check[] {
  const { queues } = given
  if (!queues) return [skip('queues', 'none given (CHANGES_QUEUE_URL, …); npm start starts an SQS server')]
  const check = (name: string, url: string): Check => ({
    name,
    async look(signal) {
      const depth = await queueDepth(url, externalSqsOptions(given), signal)
      if (name === 'dead letters' && depth > 0)
        return { wrong: `${depth} messages nobody could act on`, mend: 'read them; each names its reason' }
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
    return [skip('database', 'none given (DATABASE_URL); npm start starts Postgres')]
  return [
    {
      name: 'database',
      async look(signal) {
        const database = openDatabase({ url: databaseUrl, max: 1, applicationName: 'doctor' })
        try {
          const { migrated, platformTables, mayWritePlatform } = await examine(database, signal)
          if (!migrated)
            return { wrong: 'our tables are missing or older', mend: 'run: npx challenge-operator migrate' }
          if (!platformTables)
            return {
              wrong: "the platform's tables are not there (PlatformTablesMissing)",
              mend: "migrate the platform, or point DATABASE_URL at the platform's database",
            }
          if (!mayWritePlatform)
            return {
              wrong: 'challenges_teamserviceinstance cannot be written',
              mend: 'grant SELECT, INSERT and UPDATE on it to the user of DATABASE_URL',
            }
          return { fine: "our tables and the platform's are there" }
        } finally {
          await database.destroy()
        }
      },
    },
  ]
}

function secretCheck(name: string, value: string | undefined, otherwise: string): Check {
  return {
    name: name.toLowerCase().replaceAll('_', ' '),
    look: async () =>
      value === undefined ? { skipped: `${name} is not set: ${otherwise}` } : { fine: 'set' },
  }
}

function skip(name: string, why: string): Check {
  return { name, look: async () => ({ skipped: why }) }
}
