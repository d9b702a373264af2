import { PurgeQueueCommand, SQSClient } from '@aws-sdk/client-sqs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { queueDepth } from '../../../lib/aws/queue-check.ts'
import type { ChallengeInstance } from '../../../lib/crd/challenge-instance.ts'
import { apiVersion } from '../../../lib/crd/group.ts'
import { composeOperator, type OperatorSeams } from '../../../local/lambda/compose.ts'
import { waitUntil } from '../../../local/process/wait.ts'
import { outboxOf, rowsOf } from '../../support/consistency.ts'
import { remove } from '../../support/edits.ts'
import { instanceOf, templateOf } from '../../support/objects.ts'
import { type OperatorParts, openOperatorParts } from '../../support/operator-parts.ts'
import { recordedLog } from '../../support/recorded-log.ts'

const teams = Array.from({ length: 50 }, (_, index) => index + 1)
const [ending, deleted, fresh] = [teams.slice(0, 10), teams.slice(10, 20), teams.slice(20)]
const running = [...ending, ...deleted]
const nameOf = (team: number) => `web-${team}`

let parts: OperatorParts
const done: Promise<unknown>[] = []
const { log, lines } = recordedLog()

beforeAll(async () => {
  parts = await openOperatorParts({
    env: { OPERATOR_INTERVAL: '5', OPERATOR_RESYNC_MINUTES: '1440' },
    teams,
  })
  await parts.cluster.create(templateOf(parts.namespace, 'web'), parts.signal)
})
afterAll(() => parts?.stop(Promise.all(done)))

/** Starts some of the functions. @returns a function that stops them */
function start(functions: NonNullable<OperatorSeams['functions']>): () => Promise<void> {
  const stopping = new AbortController()
  const operator = composeOperator(parts.addresses, parts.config, log, { functions })
  const run = operator.run(AbortSignal.any([parts.signal, stopping.signal]))
  done.push(run)
  return async () => {
    stopping.abort()
    await run
  }
}

async function create(team: number, expiresAt?: string): Promise<void> {
  const spec = expiresAt === undefined ? {} : { expiresAt }
  await parts.cluster.create(instanceOf(parts.namespace, nameOf(team), 'web', team, spec), parts.signal)
}

async function instances(): Promise<ChallengeInstance[]> {
  const kind = { apiVersion, kind: 'ChallengeInstance' }
  const pages = parts.cluster.list<ChallengeInstance>(kind, { namespace: parts.namespace }, parts.signal)
  return (await Array.fromAsync(pages)).flat()
}

const ready = (all: ChallengeInstance[]) => all.filter(({ status }) => status?.phase === 'Ready').length

test('sweeps heal a purge of the queue with ends, deletions and new instances in it', async () => {
  const { signal, addresses } = parts
  const { changesUrl } = addresses.queues
  const depth = () => queueDepth(changesUrl, addresses.sqs, signal)
  const stopPasses = start(['reconcile', 'timer'])
  start(['watch-forwarder'])
  const endsAt = Date.now() + 12_000
  for (const team of running)
    await create(team, ending.includes(team) ? new Date(endsAt).toISOString() : undefined)
  await waitUntil(
    'the first instances',
    30_000,
    async () => ready(await instances()) === running.length,
    signal,
  )

  await stopPasses()
  for (const team of deleted)
    await remove({ ...parts, stop: async () => {} }, 'ChallengeInstance', nameOf(team))
  for (const team of fresh) await create(team)
  await waitUntil('the ends', 60_000, async () => Date.now() > endsAt + 1_000, signal)
  await waitUntil('the messages', 60_000, async () => (await depth()) > 35, signal)
  // The forwarder remembers what it has sent, and waits for a minute before it sends it again.
  const sqs = new SQSClient(addresses.sqs)
  await sqs.send(new PurgeQueueCommand({ QueueUrl: changesUrl }), { abortSignal: signal })
  sqs.destroy()
  expect(await depth()).toBe(0)

  start(['reconcile', 'timer', 'sweep'])
  const isHealed = async () => {
    const all = await instances()
    return all.length === fresh.length && all.every(({ status }) => status?.observedGeneration === 1)
  }
  await waitUntil('what was lost', 100_000, isHealed, signal)
  for (const team of running) {
    const operator = { ...parts, stop: async () => {} }
    const [row] = await rowsOf(operator, nameOf(team))
    const events = await outboxOf(operator, row?.uid)
    const end = ending.includes(team) ? ['instance.expired', 'instance.deleted'] : ['instance.deleted']
    expect(events.slice(-end.length)).toEqual(end)
    expect(events.filter(each => each === 'instance.deleted')).toHaveLength(1)
  }
  expect(lines.map(({ message }) => message)).toContain(
    'the queue is empty and work is left, so messages were lost',
  )
}, 180_000)
