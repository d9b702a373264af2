import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import { apiVersion } from '../../lib/crd/group.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { type AuditedCall, startAuditedPlane } from './audited-plane.ts'
import { type CountedQueues, startCountedQueues } from './counted-queues.ts'
import { instanceOf, templateOf } from './objects.ts'
import { startTestOperator, type TestOperator } from './operator.ts'
import { sweepOnce } from './sweeping.ts'

export interface QuietOperatorOptions {
  /** How many instances are Ready; each has a team of its own. */
  instances: number
  /** An empty database. */
  databaseUrl: string
  /** New queues. */
  queues: CountedQueues['queues']
  env?: Record<string, string>
}

/** Everything that happened while no instance changed. */
export interface Silence {
  /** The operator's calls to the API server. */
  calls: AuditedCall[]
  /** Without those that begin the next sweep. */
  messages: CountedQueues['sent']
  rows: { before: TableVersion[]; after: TableVersion[] }
  /** The result of the resync in the middle of the silence. */
  swept: { examined: number; enqueued: number }
}

interface TableVersion {
  table: string
  rows: number
  /** Newest transaction that wrote a row. */
  newest: string | null
  /** Newest transaction that locked a row. */
  locked: string | null
}

export interface QuietOperator {
  /** Observes the operator for this long. */
  listen(milliseconds: number): Promise<Silence>
  stop(): Promise<void>
}

/** Milliseconds without a message or a written row after which no echo and no event is pending. */
const quietMs = 2_500

/** An operator over an audited control plane of its own. Resolves when all instances are Ready and nothing moves. */
export async function openQuietOperator(options: QuietOperatorOptions): Promise<QuietOperator> {
  const stack = new AsyncDisposableStack()
  const teams = Array.from({ length: options.instances }, (_, index) => index + 1)
  try {
    const plane = await startAuditedPlane()
    stack.defer(() => plane.stop())
    const counted = await startCountedQueues(options.queues)
    stack.defer(() => counted.stop())
    const operator = await startTestOperator({
      plane,
      databaseUrl: options.databaseUrl,
      queues: counted.queues,
      challenges: ['web'],
      teams,
      env: { OPERATOR_RESYNC_MINUTES: '10', ...options.env },
    })
    stack.defer(() => operator.stop())
    const { signal } = operator
    await createInstances(operator, teams)
    await waitUntil('all instances to be Ready', 300_000, () => allReady(operator, teams.length), signal)
    await waitUntil('all events published', 90_000, () => allPublished(operator), signal)
    const look = async () => [messagesOf(counted).length, await versions(operator)]
    await waitUntil('quiet', 60_000, unchangedForQuietMs(look), signal)
    return {
      listen: milliseconds => listen(operator, { plane, counted, milliseconds }),
      stop: () => stack.disposeAsync(),
    }
  } catch (thrown) {
    await stack.disposeAsync()
    throw thrown
  }
}

async function listen(
  operator: TestOperator,
  {
    plane,
    counted,
    milliseconds,
  }: {
    plane: Awaited<ReturnType<typeof startAuditedPlane>>
    counted: CountedQueues
    milliseconds: number
  },
): Promise<Silence> {
  const { signal } = operator
  const before = await versions(operator)
  const messages = messagesOf(counted).length
  const calls = (await plane.calls(signal)).length
  await sleep(milliseconds / 2, undefined, { signal })
  const swept = await sweepOnce(operator, counted.queues)
  await sleep(milliseconds / 2, undefined, { signal })
  return {
    swept,
    messages: messagesOf(counted).slice(messages),
    calls: (await plane.calls(signal)).slice(calls).filter(isOperators),
    rows: { before, after: await versions(operator) },
  }
}

/** Without those that begin the next sweep. */
function messagesOf({ sent }: CountedQueues): CountedQueues['sent'] {
  return sent.filter(({ queue }) => queue !== 'sweeps')
}

/** The audit's own calls and those of the test name another function in the User-Agent. */
function isOperators({ userAgent }: AuditedCall): boolean {
  return userAgent.startsWith('challenge-operator/test') && !/\((test|audit|install)\)/.test(userAgent)
}

async function createInstances({ cluster, namespace, signal }: TestOperator, teams: number[]): Promise<void> {
  const resources = { cpu: '10m', memory: '16Mi' }
  const template = templateOf(namespace, 'web', { resources, flagStrategy: { type: 'hmac-per-instance' } })
  await cluster.create(template, signal)
  for (const teamId of teams)
    await cluster.create(instanceOf(namespace, `quiet-${teamId}`, 'web', teamId), signal)
}

async function allReady({ cluster, namespace, signal }: TestOperator, wanted: number): Promise<boolean> {
  let ready = 0
  const kind = { apiVersion, kind: 'ChallengeInstance' }
  for await (const page of cluster.list<ChallengeInstance>(kind, { namespace }, signal))
    ready += page.filter(isReady).length
  return ready === wanted
}

function isReady({ status }: ChallengeInstance): boolean {
  const synced = status?.conditions?.find(each => each.type === 'Synced')
  return status?.phase === 'Ready' && synced?.status === 'True'
}

/** Returns whether everything that `look` shows has been the same for `quietMs`. */
function unchangedForQuietMs(look: () => Promise<unknown>): () => Promise<boolean> {
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

/** A write makes a new version of its row even if it changes nothing, and a lock leaves its transaction in `xmax`. */
/** On a busy machine some events are left to the schedule, which publishes them up to a minute later. */
async function allPublished({ database }: TestOperator): Promise<boolean> {
  const { rows } = await sql<{ waiting: number }>`
    SELECT count(*)::integer AS waiting FROM challenge_operator.outbox WHERE published_at IS NULL`.execute(
    database,
  )
  return rows[0]?.waiting === 0
}

async function versions({ database }: TestOperator): Promise<TableVersion[]> {
  const all: TableVersion[] = []
  for (const table of tables) {
    const { rows } = await sql<Omit<TableVersion, 'table'>>`
      SELECT count(*)::integer AS rows, max(xmin::text::bigint) AS newest, max(xmax::text::bigint) AS locked
      FROM ${sql.table(table)}`.execute(database)
    all.push(...rows.map(row => ({ table, ...row })))
  }
  return all
}
