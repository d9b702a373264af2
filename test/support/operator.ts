import type { Kysely } from 'kysely'
import type { QueueUrls } from '../../lib/aws/queues.ts'
import type { SqsClientOptions } from '../../lib/aws/sqs-client.ts'
import { type OperatorConfig, parseOperatorConfig } from '../../lib/config/operator.ts'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import type { ChallengeTemplate, ChallengeTemplateSpec } from '../../lib/crd/challenge-template.ts'
import { apiVersion } from '../../lib/crd/group.ts'
import type { KubernetesObject } from '../../lib/crd/objects.ts'
import { type KubernetesClient, openClient } from '../../lib/kubernetes/client/client.ts'
import type { Cluster } from '../../lib/kubernetes/cluster.ts'
import { openCluster } from '../../lib/kubernetes/open-cluster.ts'
import { openDatabase } from '../../lib/store/database.ts'
import { migrate } from '../../lib/store/migrate.ts'
import { layPlatformTables } from '../../lib/store/platform-tables.ts'
import { type Log, silentLog } from '../../lib/telemetry/log.ts'
import { composeOperator } from '../../local/lambda/compose.ts'
import { localCredentials, localRegion } from '../../local/parts/queues.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { startTestEventBus } from './event-bus.ts'
import { sharedControlPlane, testDatabase, testNamespace, testQueues } from './shared-parts.ts'

export const flagSecret = 'a'.repeat(64)
export const pepper = 'pepper'

export interface TestOperator {
  namespace: string
  cluster: Cluster
  /** As the administrator, for what the port does not have. */
  client: KubernetesClient
  config: OperatorConfig
  // biome-ignore lint/suspicious/noExplicitAny: rows as they come, of our tables and the platform's
  database: Kysely<any>
  databaseUrl: string
  /** Types of the events of one instance, in order. */
  events(uid: string): string[]
  signal: AbortSignal
  stop(): Promise<void>
}

export interface TestOperatorOptions {
  env?: Record<string, string>
  log?: Log
  challenges?: string[]
  teams?: number[]
  /** Watched besides the operator's own. */
  moreNamespaces?: string[]
  /** A control plane of the test's own; the namespace is then `default`. */
  plane?: { kubeconfig: string }
  /** As whom a function calls the API server; default: as the administrator. */
  kubeconfigOf?: (functionName: string) => string
  /** Default: new ones on the run's server. */
  queues?: QueueUrls & { clientOptions: SqsClientOptions }
}

/** A whole operator over the shared parts, in a namespace, database and queues of its own. */
export async function startTestOperator(options: TestOperatorOptions = {}): Promise<TestOperator> {
  const ending = new AbortController()
  const { signal } = ending
  const plane = options.plane ?? sharedControlPlane()
  const [namespace, db, queues, bus] = await Promise.all([
    options.plane ? { name: 'default', remove: async () => {} } : testNamespace(),
    testDatabase(),
    options.queues ?? testQueues(),
    startTestEventBus(),
  ])
  const config = parseOperatorConfig({
    OPERATOR_NAMESPACE: [namespace.name, ...(options.moreNamespaces ?? [])].join(','),
    OPERATOR_INTERVAL: '2',
    OPERATOR_RESYNC_MINUTES: '1',
    FLAG_SECRET: flagSecret,
    FLAG_HMAC_PEPPER: pepper,
    ...options.env,
  })
  const clients: KubernetesClient[] = []
  const clientFor = (name: string) => {
    const path = (name === 'test' ? undefined : options.kubeconfigOf?.(name)) ?? plane.kubeconfig
    const connection = { kind: 'kubeconfig', path } as const
    const client = openClient({ connection, userAgent: `challenge-operator/test (${name})` })
    clients.push(client)
    return client
  }
  // biome-ignore lint/suspicious/noExplicitAny: see above
  const database = openDatabase({ url: db.url, max: 2, applicationName: 'test' }) as unknown as Kysely<any>
  await migrate(database, signal)
  const { challenges = ['web', 'pwn'], teams = [1, 2, 3, 7] } = options
  await layPlatformTables(database, { challenges, teams }, signal)
  const endpoints = {
    clientFor,
    databaseUrl: db.url,
    queues,
    sqs: queues.clientOptions,
    bus: {
      name: 'test',
      clientOptions: { endpoint: bus.endpoint, region: localRegion, credentials: localCredentials },
    },
  }
  const running = composeOperator(endpoints, config, options.log ?? silentLog).run(signal)
  const client = clientFor('test')
  return {
    namespace: namespace.name,
    client,
    cluster: openCluster(client),
    config,
    database,
    databaseUrl: db.url,
    events: uid =>
      bus
        .events()
        .filter(event => (event.detail as { uid?: string }).uid === uid)
        .map(event => event.detailType),
    signal,
    async stop() {
      ending.abort()
      await running
      await database.destroy()
      await Promise.all(clients.map(each => each.close()))
      await bus.stop()
      await namespace.remove()
      await db.remove()
    },
  }
}

const image = 'registry.example.com/ctf/web:1'

export function templateOf(
  namespace: string,
  name: string,
  spec: Partial<ChallengeTemplateSpec> = {},
): ChallengeTemplate {
  return {
    apiVersion,
    kind: 'ChallengeTemplate',
    metadata: { name, namespace },
    spec: { image, resources: { cpu: '100m', memory: '64Mi' }, ...spec },
  }
}

export function instanceOf(
  namespace: string,
  name: string,
  template: string,
  teamId = 7,
  more: Partial<ChallengeInstance['spec']> = {},
): ChallengeInstance {
  return {
    apiVersion,
    kind: 'ChallengeInstance',
    metadata: { name, namespace },
    spec: { templateRef: template, owner: { teamId, eventId: 1 }, ...more },
  }
}

export function referenceTo(operator: TestOperator, kind: string, name: string) {
  const versions: Record<string, string> = {
    Deployment: 'apps/v1',
    Service: 'v1',
    Secret: 'v1',
    Pod: 'v1',
    NetworkPolicy: 'networking.k8s.io/v1',
  }
  return { apiVersion: versions[kind] ?? apiVersion, kind, namespace: operator.namespace, name }
}

/** Waits until the object is as wanted. @throws Error with what it was last */
export async function eventually<T extends KubernetesObject>(
  operator: TestOperator,
  kind: string,
  name: string,
  isSo: (object: T | undefined) => boolean,
  limitMs = 20_000,
): Promise<T | undefined> {
  let last: T | undefined
  const check = async () => {
    last = await operator.cluster.get<T>(referenceTo(operator, kind, name), operator.signal)
    return isSo(last)
  }
  try {
    await waitUntil(`the wanted state of ${kind} ${name}`, limitMs, check, operator.signal)
  } catch (thrown) {
    const seen = JSON.stringify((last as { status?: unknown } | undefined)?.status ?? last, undefined, 1)
    throw new Error(`${(thrown as Error).message}; it is ${seen}`, { cause: thrown })
  }
  return last
}

/** Waits until the instance has this phase and reason (undefined: none). */
export async function phaseOf(
  operator: TestOperator,
  name: string,
  phase: string,
  reason?: string,
): Promise<ChallengeInstance> {
  const found = await eventually<ChallengeInstance>(
    operator,
    'ChallengeInstance',
    name,
    instance => instance?.status?.phase === phase && instance.status.reason === reason,
  )
  return found as ChallengeInstance
}
