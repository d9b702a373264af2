import { join, relative, sep } from 'node:path'
import { abandonAfter } from '../../lib/abort.ts'
import { type OperatorConfig, parseOperatorConfig } from '../../lib/config/operator.ts'
import { type Environment, OperatorMisconfigured } from '../../lib/config/section.ts'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import { apiVersion } from '../../lib/crd/group.ts'
import { firstNamespace, scopesOf } from '../../lib/crd/namespaces.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import { createRetryingClient } from '../../lib/kubernetes/client/retrying-client.ts'
import { installManifests } from '../../lib/kubernetes/install/install.ts'
import { openCluster } from '../../lib/kubernetes/open-cluster.ts'
import { watch } from '../../lib/kubernetes/watch/watch.ts'
import { openDatabase } from '../../lib/store/database.ts'
import { migrate } from '../../lib/store/migrate.ts'
import { createPlatformTables } from '../../lib/store/platform-tables.ts'
import type { Log } from '../../lib/telemetry/log.ts'
import { openLogger } from '../../lib/telemetry/logger.ts'
import { openHealth } from '../health/open-health.ts'
import { composeOperator, type OperatorOptions } from '../lambda/compose.ts'
import { composedFunctions } from '../lambda/composed-functions.ts'
import { openDataFolder } from '../parts/data-folder.ts'
import { writeEnvironmentFile } from '../parts/environment-file.ts'
import { readOperatorAndParts } from '../parts/external-parts.ts'
import { openParts, type Parts } from '../parts/parts.ts'
import { applySamples, platformFacts, readSamples, type Samples } from '../parts/samples.ts'
import { embeddedSecrets, keptStack } from '../parts/secrets.ts'
import { withRemark } from './crds.ts'
import { readVersion } from './doctor/version-check.ts'
import { showTransitions } from './transitions.ts'

export interface UpOptions {
  env: Environment
  /** Holds the data of the parts that are started. The command line's default is `.local` beside package.json. */
  directory: string
  /** End as soon as the samples are Ready and their rows written. */
  once: boolean
  /** Remove the data of the parts of earlier runs first. The secrets stay. */
  reset: boolean
  /** Apply the samples. An external cluster never gets them. */
  samples: boolean
  /** Serve health and metrics on this port of the machine itself; 0: any free one. Default: not at all. */
  healthPort?: number | undefined
  print: (line: string) => void
}

/** Nobody else on the network is to read what one machine says about itself. */
const loopback = '127.0.0.1'

/** Time that the functions have to end: 10 s for the batches in flight, then 6 s for the forwarder and its lease. */
const endMs = 20_000
/** Time that the samples have to become Ready with `--once`. */
const onceMs = 120_000

/**
 * `challenge-operator up`, the whole operator on one machine. Starts the parts that the environment does not name,
 * installs CRDs and tables, runs every function until `stopping`, and ends in order.
 * @returns the exit code. With `once` it is 1 if the samples did not become Ready.
 */
export async function runUp(options: UpOptions, stopping: AbortSignal): Promise<number> {
  // A configuration that cannot be used must not cost the data of an earlier run.
  readOperatorAndParts(options.env)
  requireOwnShell(options)
  const folder = await openDataFolder(options, stopping)
  try {
    return await runInFolder(options, stopping)
  } finally {
    await folder.release()
  }
}

/** A shell that has read `.local/env` names the parts of an earlier run as external ones, and that run may have ended. */
function requireOwnShell({ env, directory }: Pick<UpOptions, 'env' | 'directory'>): void {
  if (!env.KUBECONFIG?.startsWith(join(directory, sep))) return
  const file = join(directory, 'env')
  throw new OperatorMisconfigured([
    `KUBECONFIG is the one of ${file}, which this shell has read; start the operator in another shell`,
  ])
}

async function runInFolder(options: UpOptions, stopping: AbortSignal): Promise<number> {
  const { directory, print } = options
  const secrets = await embeddedSecrets(join(directory, 'secrets.json'))
  const givenOr = (name: string, made: string) =>
    options.env[name] || (options.env[`${name}_SECRET_ARN`] ? undefined : made)
  const env = {
    ...options.env,
    FLAG_SECRET: givenOr('FLAG_SECRET', secrets.flagSecret),
    FLAG_HMAC_PEPPER: givenOr('FLAG_HMAC_PEPPER', secrets.flagHmacPepper),
    OPERATOR_STACK: options.env.OPERATOR_STACK || (await keptStack(join(directory, 'stack'))),
  }
  const config = parseOperatorConfig(env)
  const parts = await openParts({ env, directory, print }, stopping)
  try {
    await prepareParts(parts, { config, print }, stopping)
    const samples = await prepareSamples(options, parts, config, stopping)
    const file = join(directory, 'env')
    await writeEnvironmentFile(file, { ...parts.variables, ...ownOf(env) }, parts.programs)
    print(`wrote ${asTyped(file)}; in another shell: . ${asTyped(file)}`)
    return await runOperator({ options, config, parts, samples }, stopping)
  } finally {
    await parts.stop()
  }
}

interface Run {
  options: UpOptions
  config: OperatorConfig
  parts: Parts
  samples: Samples | undefined
}

/**
 * Runs the operator and prints transitions until `stopping`, or until the samples are Ready. Whatever fails, the functions
 * have ended when this returns or throws, so that no function meets a part that is stopped after it.
 * @returns the exit code
 */
async function runOperator({ options, config, parts, samples }: Run, stopping: AbortSignal): Promise<number> {
  const { env, print } = options
  const log = openLogger({ level: env.OPERATOR_LOG_LEVEL ? config.logLevel : 'warn', service: 'local' })
  const health = await serveHealth(options, parts, log)
  const ending = new AbortController()
  const running = AbortSignal.any([stopping, ending.signal])
  const transitions = showTransitions(print, Date.now)
  const client = parts.addresses.clientFor('local')
  const watching = scopesOf(config.namespaces).map(scope =>
    watch<ChallengeInstance>(
      client,
      { apiVersion, kind: 'ChallengeInstance', ...scope },
      { onObject: transitions.onObject, onGone: gone => transitions.onGone(gone.metadata), onListed() {} },
      { log },
      running,
    ),
  )
  const operator = composeOperator(parts.addresses, config, log, health?.seams)
  const functions = [operator.run(running), ...watching]
  const end = async () => {
    ending.abort()
    print('ending…')
    await abandonAfter(Promise.allSettled(functions), ending.signal, endMs).catch(() => {})
    await health?.close()
  }
  try {
    const work = serve({ options, samples, transitions, client }, running, stopping)
    const code = await Promise.race([work, failureOf(functions), parts.died])
    await end()
    print(transitions.summary())
    return code
  } catch (thrown) {
    await end()
    if (!stopping.aborted) throw thrown
    print(transitions.summary())
    return options.once ? 1 : 0
  }
}

async function serveHealth(
  { healthPort, print }: Pick<UpOptions, 'healthPort' | 'print'>,
  { addresses }: Parts,
  log: Log,
): Promise<{ seams: Pick<OperatorOptions, 'pulse' | 'metrics'>; close: () => Promise<void> } | undefined> {
  if (healthPort === undefined) return undefined
  const asked = { addresses, functions: composedFunctions, port: healthPort, host: loopback }
  const { port, pulse, prometheus, close } = await openHealth(asked, log)
  print(`health and metrics: http://${loopback}:${port}/healthz, /readyz and /metrics`)
  return { seams: { pulse, metrics: prometheus.metrics }, close }
}

interface Serving extends Pick<Run, 'options' | 'samples'> {
  transitions: ReturnType<typeof showTransitions>
  client: KubernetesClient
}

/** Applies the samples. Resolves when they are Ready, with `once`, or at Ctrl-C. @returns the exit code */
async function serve(
  { options: { once, print }, samples, transitions, client }: Serving,
  running: AbortSignal,
  stopping: AbortSignal,
): Promise<number> {
  if (samples) await applySamples(openCluster(createRetryingClient(client)), samples, running)
  print('the operator is running; Ctrl-C ends it')
  return once ? untilReady(samples, transitions, print, running) : untilStopped(stopping)
}

/** Rejects when one of them does. Never resolves. */
function failureOf(functions: readonly Promise<void>[]): Promise<never> {
  return Promise.all(functions).then(() => new Promise<never>(() => {}))
}

/** The path relative to the working directory, but with a slash: `. name` looks for a bare name on the PATH. */
function asTyped(path: string): string {
  const near = relative(process.cwd(), path)
  return near.split(sep)[0] === '..' || !near.includes(sep) ? path : near
}

/** Installs the CRDs and admission policies and migrates the database. */
async function prepareParts(
  parts: Parts,
  { config, print }: { config: OperatorConfig; print: (line: string) => void },
  signal: AbortSignal,
): Promise<void> {
  const client = parts.addresses.clientFor('crds')
  print(`cluster: ${(await readVersion(client, signal)).sentence}`)
  const installed = await installManifests(client, config, signal)
  for (const each of installed) if (each.action !== 'unchanged') print(`${each.action} ${withRemark(each)}`)
  const database = openDatabase({ url: parts.addresses.databaseUrl, max: 1, applicationName: 'migrate' })
  try {
    for (const name of await migrate(database, signal)) print(`migrated the database: ${name}`)
  } finally {
    await database.destroy()
  }
}

/** Makes the platform's tables in a started database. @returns the samples to apply, if any */
async function prepareSamples(
  { samples: wanted }: UpOptions,
  parts: Parts,
  { namespaces, platform }: OperatorConfig,
  signal: AbortSignal,
): Promise<Samples | undefined> {
  const namespace = firstNamespace(namespaces)
  const samples = await readSamples(namespace)
  if (parts.embedded.database && platform === 'django') {
    const database = openDatabase({ url: parts.addresses.databaseUrl, max: 1, applicationName: 'samples' })
    await createPlatformTables(database, platformFacts(samples), signal).finally(() => database.destroy())
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
    if (names.length > 0) print(`all ${names.length} samples are Ready and their rows are written`)
    return 0
  } catch {
    for (const line of transitions.missing(names)) print(line)
    return 1
  }
}

/** Resolves at Ctrl-C. */
function untilStopped(stopping: AbortSignal): Promise<number> {
  return new Promise(resolve =>
    stopping.aborted ? resolve(0) : stopping.addEventListener('abort', () => resolve(0), { once: true }),
  )
}

function ownOf(env: Environment): Environment {
  const { FLAG_SECRET, FLAG_HMAC_PEPPER, OPERATOR_STACK } = env
  return { FLAG_SECRET, FLAG_HMAC_PEPPER, OPERATOR_STACK }
}
