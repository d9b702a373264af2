import { setTimeout as sleep } from 'node:timers/promises'
import { type Kysely, sql } from 'kysely'
import { parseOperatorConfig } from '../../lib/config/operator.ts'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import { apiVersion } from '../../lib/crd/group.ts'
import { type KubernetesClient, openClient } from '../../lib/kubernetes/client/client.ts'
import type { Cluster } from '../../lib/kubernetes/cluster.ts'
import { openCluster } from '../../lib/kubernetes/open-cluster.ts'
import { openDatabase } from '../../lib/store/database.ts'
import { migrate } from '../../lib/store/migrate.ts'
import { layPlatformTables } from '../../lib/store/platform-tables.ts'
import { silentLog } from '../../lib/telemetry/log.ts'
import { composeOperator } from '../../local/lambda/compose.ts'
import { localCredentials, localRegion } from '../../local/parts/queues.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { type AuditedCall, startAuditedPlane } from './audited-plane.ts'
import { type CountedQueues, startCountedQueues } from './counted-queues.ts'
import { startTestEventBus } from './event-bus.ts'
import { sweepOnce } from './sweeping.ts'

export interface QuietWorldOptions {
  /** Ready instances, each of a team of its own. */
  instances: number
  /** An empty database, and new queues. */
  databaseUrl: string
  queues: CountedQueues['queues']
  env?: Record<string, string>
}

/** What happened while nobody did anything. */
export interface Silence {
  /** The operator's calls to the API server. */
  calls: AuditedCall[]
  messages: CountedQueues['sent']
  /** Of each table: rows, and the newest transaction that wrote or locked one. */
  rows: { before: TableVersion[]; after: TableVersion[] }
  /** What the resync in the middle of it found. */
  swept: { examined: number; enqueued: number }
}

interface TableVersion {
  table: string
  rows: number
  newest: string | null
  locked: string | null
}

export interface QuietWorld {
  listen(milliseconds: number): Promise<Silence>
  stop(): Promise<void>
}

/** Long enough for the last echo and the last event, in milliseconds. */
const quietMs = 2_500

/** A whole operator with an audited control plane of its own, once all its instances are Ready and nothing moves any more. */
export async function openQuietWorld(options: QuietWorldOptions): Promise<QuietWorld> {
  const stack = new AsyncDisposableStack()
  const ending = new AbortController()
  const { signal } = ending
  const teams = Array.from({ length: options.instances }, (_, index) => index + 1)
  try {
    const plane = await startAuditedPlane()
    stack.defer(() => plane.stop())
    const counted = await startCountedQueues(options.queues)
    stack.defer(() => counted.stop())
    const bus = await startTestEventBus()
    stack.defer(() => bus.stop())
    const config = parseOperatorConfig({
      OPERATOR_INTERVAL: '2',
      FLAG_SECRET: 'a'.repeat(64),
      ...options.env,
    })
    const clientFor = (name: string): KubernetesClient => {
      const connection = { kind: 'kubeconfig', path: plane.kubeconfig } as const
      const client = openClient({ connection, userAgent: `challenge-operator/quiet (${name})` })
      stack.defer(() => client.close())
      return client
    }
    const opened = openDatabase({ url: options.databaseUrl, max: 1, applicationName: 'test' })
    // biome-ignore lint/suspicious/noExplicitAny: our tables and the platform's
    const database = opened as unknown as Kysely<any>
    stack.defer(() => database.destroy())
    await migrate(database, signal)
    await layPlatformTables(database, { challenges: ['web'], teams }, signal)
    const credentials = { region: localRegion, credentials: localCredentials }
    const endpoints = {
      clientFor,
      databaseUrl: options.databaseUrl,
      queues: counted.queues,
      sqs: counted.queues.clientOptions,
      bus: { name: 'test', clientOptions: { endpoint: bus.endpoint, ...credentials } },
    }
    const running = composeOperator(endpoints, config, silentLog).run(signal)
    stack.defer(async () => {
      ending.abort()
      await running
    })
    const cluster = openCluster(clientFor('test'))
    await populate(cluster, teams, signal)
    await waitUntil(
      'all instances to be Ready',
      300_000,
      () => allReady(cluster, teams.length, signal),
      signal,
    )
    await waitUntil(
      'quiet',
      60_000,
      stillness(async () => [counted.sent.length, await versions(database)]),
      signal,
    )
    return {
      listen: milliseconds => listen(milliseconds),
      stop: () => stack.disposeAsync(),
    }

    async function listen(milliseconds: number): Promise<Silence> {
      const before = await versions(database)
      const messages = counted.sent.length
      const calls = (await plane.calls(signal)).length
      await sleep(milliseconds / 2, undefined, { signal })
      const sweeper = { databaseUrl: options.databaseUrl, cluster, config, signal }
      const swept = await sweepOnce(sweeper, counted.queues)
      await sleep(milliseconds / 2, undefined, { signal })
      return {
        swept,
        messages: counted.sent.slice(messages),
        calls: (await plane.calls(signal)).slice(calls).filter(isOperators),
        rows: { before, after: await versions(database) },
      }
    }
  } catch (thrown) {
    ending.abort()
    await stack.disposeAsync()
    throw thrown
  }
}

function isOperators({ userAgent }: AuditedCall): boolean {
  return userAgent.startsWith('challenge-operator/quiet') && !userAgent.includes('(test)')
}

async function populate(cluster: Cluster, teams: number[], signal: AbortSignal): Promise<void> {
  const meta = { apiVersion, metadata: { name: 'web', namespace: 'default' } }
  const flagStrategy = { type: 'hmac-per-instance' }
  const resources = { cpu: '10m', memory: '16Mi' }
  const image = 'registry.example.com/ctf/web:1'
  await cluster.create(
    { ...meta, kind: 'ChallengeTemplate', spec: { image, resources, flagStrategy } },
    signal,
  )
  for (const teamId of teams) {
    const metadata = { name: `quiet-${teamId}`, namespace: 'default' }
    const spec = { templateRef: 'web', owner: { teamId, eventId: 1 } }
    await cluster.create({ apiVersion, kind: 'ChallengeInstance', metadata, spec }, signal)
  }
}

async function allReady(cluster: Cluster, wanted: number, signal: AbortSignal): Promise<boolean> {
  let ready = 0
  const kind = { apiVersion, kind: 'ChallengeInstance' }
  for await (const page of cluster.list<ChallengeInstance>(kind, { namespace: 'default' }, signal))
    ready += page.filter(isSettled).length
  return ready === wanted
}

function isSettled({ status }: ChallengeInstance): boolean {
  const synced = status?.conditions?.find(each => each.type === 'Synced')
  return status?.phase === 'Ready' && synced?.status === 'True'
}

/** Whether what is looked at has been the same for a while. */
function stillness(look: () => Promise<unknown>): () => Promise<boolean> {
  let last = ''
  let since = Date.now()
  return async () => {
    const now = JSON.stringify(await look())
    if (now !== last) since = Date.now()
    last = now
    return Date.now() - since > quietMs
  }
}

const tables = ['challenge_operator.instance', 'challenge_operator.outbox', 'challenges_teamserviceinstance']

/** A write that changes nothing makes a new version of its row too, and a lock leaves its mark. */
// biome-ignore lint/suspicious/noExplicitAny: our tables and the platform's
async function versions(database: Kysely<any>): Promise<TableVersion[]> {
  const all: TableVersion[] = []
  for (const table of tables) {
    const { rows } = await sql<Omit<TableVersion, 'table'>>`
      SELECT count(*)::integer AS rows, max(xmin::text::bigint) AS newest, max(xmax::text::bigint) AS locked
      FROM ${sql.table(table)}`.execute(database)
    all.push(...rows.map(row => ({ table, ...row })))
  }
  return all
}
