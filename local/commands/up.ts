import { rm } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { parseOperatorConfig } from '../../lib/config/operator.ts'
import type { Environment } from '../../lib/config/section.ts'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import { apiVersion } from '../../lib/crd/group.ts'
import { installManifests } from '../../lib/kubernetes/install/install.ts'
import { openCluster } from '../../lib/kubernetes/open-cluster.ts'
import { watch } from '../../lib/kubernetes/watch/watch.ts'
import { openDatabase } from '../../lib/store/database.ts'
import { migrate } from '../../lib/store/migrate.ts'
import { layPlatformTables } from '../../lib/store/platform-tables.ts'
import { openLogger } from '../../lib/telemetry/logger.ts'
import { composeOperator } from '../lambda/compose.ts'
import { writeEnvironmentFile } from '../parts/environment-file.ts'
import { openParts, type Parts } from '../parts/parts.ts'
import { applySamples, platformFacts, readSamples, type Samples } from '../parts/samples.ts'
import { embeddedSecrets } from '../parts/secrets.ts'
import { showTransitions } from './transitions.ts'

export interface UpOptions {
  env: Environment
  /** Everything embedded lives here, `.local` beside the repository's package.json. */
  directory: string
  /** End as soon as the samples are Ready and their rows written. */
  once: boolean
  /** Throw away what earlier runs left, first. */
  reset: boolean
  /** Apply the samples; only ever to an embedded cluster. */
  samples: boolean
  print: (line: string) => void
}

/** How long the samples may take with `--once`. */
const onceMs = 120_000

const samplesDirectory = join(import.meta.dirname, '../..', 'manifests', 'samples')

/**
 * The operator whole on one machine: starts the parts that are not given, installs what is missing, runs every function
 * until `stopping`, and ends in order. @returns the exit code: with `once`, 1 when the samples did not become Ready
 */
export async function up(options: UpOptions, stopping: AbortSignal): Promise<number> {
  const { directory, print } = options
  if (options.reset) {
    await rm(directory, { recursive: true, force: true })
    print(`removed ${directory}`)
  }
  const secrets = await embeddedSecrets(join(directory, 'secrets.json'))
  const env = {
    ...options.env,
    FLAG_SECRET: options.env.FLAG_SECRET || secrets.flagSecret,
    FLAG_HMAC_PEPPER: options.env.FLAG_HMAC_PEPPER || secrets.flagHmacPepper,
  }
  const config = parseOperatorConfig(env)
  const log = openLogger({
    level: options.env.OPERATOR_LOG_LEVEL ? config.logLevel : 'warn',
    service: 'local',
  })
  const parts = await openParts({ env, directory, print }, stopping)
  try {
    await prepare(parts, config.namespaces, print, stopping)
    const samples = await prepareSamples(options, parts, config.namespaces, stopping)
    const file = join(directory, 'env')
    await writeEnvironmentFile(file, { ...parts.variables, ...secretsOf(env) }, parts.programs)
    print(`wrote ${asTyped(file)}; in another shell: . ${asTyped(file)}`)

    const ending = new AbortController()
    const running = AbortSignal.any([stopping, ending.signal])
    const transitions = showTransitions(print, Date.now)
    const client = parts.addresses.clientFor('local')
    const targets = config.namespaces === '*' ? [{}] : config.namespaces.map(namespace => ({ namespace }))
    const watching = targets.map(scope =>
      watch<ChallengeInstance>(
        client,
        { apiVersion, kind: 'ChallengeInstance', ...scope },
        { onObject: transitions.onObject, onGone: gone => transitions.onGone(gone.metadata), onListed() {} },
        { log },
        running,
      ),
    )
    const operator = composeOperator(parts.addresses, config, log).run(running)
    if (samples) await applySamples(openCluster(client), samples, running)
    print('the operator is running; Ctrl-C ends it')

    const code = options.once
      ? await untilReady(samples, transitions, print, running)
      : await forever(parts, stopping)
    ending.abort()
    print('ending…')
    await Promise.all([operator, ...watching])
    print(transitions.summary())
    return code
  } finally {
    await parts.stop()
  }
}

/** As somebody in the working directory would type it; with a slash, since a shell looks for a bare name on its PATH. */
function asTyped(path: string): string {
  const near = relative(process.cwd(), path)
  return near.split(sep)[0] === '..' || !near.includes(sep) ? path : near
}

async function prepare(
  parts: Parts,
  namespaces: readonly string[] | '*',
  print: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const installed = await installManifests(
    parts.addresses.clientFor('crds'),
    { namespaces, allowedRegistries: [] },
    signal,
  )
  for (const { name, action } of installed) if (action !== 'unchanged') print(`${action} ${name}`)
  const database = openDatabase({ url: parts.addresses.databaseUrl, max: 1, applicationName: 'migrate' })
  try {
    for (const name of await migrate(database, signal)) print(`migrated the database: ${name}`)
  } finally {
    await database.destroy()
  }
}

async function prepareSamples(
  { samples: wanted }: UpOptions,
  parts: Parts,
  namespaces: readonly string[] | '*',
  signal: AbortSignal,
): Promise<Samples | undefined> {
  const namespace = namespaces === '*' ? 'default' : (namespaces[0] ?? 'default')
  const samples = await readSamples(samplesDirectory, namespace)
  if (parts.embedded.database) {
    const database = openDatabase({ url: parts.addresses.databaseUrl, max: 1, applicationName: 'samples' })
    await layPlatformTables(database, platformFacts(samples), signal).finally(() => database.destroy())
  }
  return wanted && parts.embedded.cluster ? samples : undefined
}

async function untilReady(
  samples: Samples | undefined,
  transitions: ReturnType<typeof showTransitions>,
  print: (line: string) => void,
  running: AbortSignal,
): Promise<number> {
  const names = (samples?.instances ?? []).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)
  try {
    await transitions.allReady(names, AbortSignal.any([running, AbortSignal.timeout(onceMs)]))
    print(`all ${names.length} samples are Ready and their rows are written`)
    return 0
  } catch {
    for (const line of transitions.missing(names)) print(line)
    return 1
  }
}

/** Until Ctrl-C, or until an embedded part ends by itself. */
async function forever(parts: Parts, stopping: AbortSignal): Promise<number> {
  const asked = new Promise<number>(resolve =>
    stopping.aborted ? resolve(0) : stopping.addEventListener('abort', () => resolve(0), { once: true }),
  )
  return Promise.race([asked, parts.died])
}

function secretsOf(env: Environment): Environment {
  return { FLAG_SECRET: env.FLAG_SECRET, FLAG_HMAC_PEPPER: env.FLAG_HMAC_PEPPER }
}
