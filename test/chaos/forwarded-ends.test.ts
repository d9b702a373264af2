import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { clockName, clockStateName } from '../../lib/clock/state.ts'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import type { Lease } from '../../lib/kubernetes/lease/record.ts'
import type { ChangeMessage } from '../../lib/messages.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { instanceCalled, outboxOf, rowsOf, untilConsistent } from '../support/consistency.ts'
import { edit } from '../support/edits.ts'
import { type FaultyOperator, startFaultyOperator } from '../support/faulty-operator.ts'
import { untilQueuesEmpty } from '../support/idle-queues.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { eventually, phaseOf } from '../support/operator.ts'
import { type Severable, severable } from '../support/severable-client.ts'

/** A fifth of the deployed times. */
const leaseTimes = { durationMs: 3_000, renewMs: 1_000, retryMs: 400, warnAfterMs: 2_000 }

interface Forwarder extends Severable {
  stop(): Promise<void>
}

interface Deletion {
  path: string
  /** By `performance.now()`. */
  begunAt: number
  answeredAt: number
}

/** Nobody sweeps, so an end that no forwarder sends does not come. */
let operator: FaultyOperator
/** It leads as long as nothing happens to it. */
let leader: Forwarder
/** The deletions of reconcile, in the order of their beginnings. */
let deletions: Deletion[] = []
/** The messages of all forwarders, in their order. */
let messages: ChangeMessage[] = []

beforeAll(async () => {
  const teams = Array.from({ length: 20 }, (_, index) => index + 1)
  operator = await startFaultyOperator({ forwarder: false, client: recorded, teams })
  await operator.cluster.create(templateOf(operator.namespace, 'web'), operator.signal)
  leader = startForwarder()
  await waitUntil('a holder', 20_000, async () => Boolean(await holder()), operator.signal)
})
afterAll(() => operator?.stop())

function recorded(functionName: string, inner: KubernetesClient): KubernetesClient {
  if (functionName !== 'reconcile') return inner
  return {
    ...inner,
    async request(method, path, request, signal) {
      if (method !== 'DELETE') return inner.request(method, path, request, signal)
      const deletion = { path, begunAt: performance.now(), answeredAt: Number.POSITIVE_INFINITY }
      deletions.push(deletion)
      const answer = await inner.request(method, path, request, signal)
      deletion.answeredAt = performance.now()
      return answer
    },
  }
}

function startForwarder(): Forwarder {
  const parts = severable({
    client: operator.clientFor('watch-forwarder'),
    changes: {
      sendBatch(outgoing, signal) {
        messages.push(...outgoing.map(({ change }) => change))
        return operator.queues.changes.sendBatch(outgoing, signal)
      },
    },
  })
  const { client, changes } = parts
  const { stop } = operator.startForwarder({ client, changes, leaseTimes })
  return { ...parts, sent: parts.sent, stop }
}

const holder = async () => {
  const name = 'challenge-operator-watch-forwarder'
  const reference = {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    namespace: operator.namespace,
    name,
  }
  return (await operator.cluster.get<Lease>(reference, operator.signal))?.spec?.holderIdentity
}

async function create(name: string, team: number, suspend = false): Promise<string> {
  const made = instanceOf(operator.namespace, name, 'web', team, { suspend })
  const created = await operator.cluster.create(made, operator.signal)
  if (created === 'exists') throw new Error(`${name} exists`)
  return created.metadata.uid
}

const endAt = (name: string, at: number) =>
  edit(operator, 'ChallengeInstance', name, { spec: { expiresAt: new Date(at).toISOString() } })

test.each<[string, (leading: Forwarder) => Promise<void>]>([
  ['stops', leading => leading.stop()],
  ['is killed', async leading => leading.sever()],
])(
  'instances end once, and not before their time, while the forwarder that leads %s in that second',
  async (how, handOver) => {
    const standby = startForwarder()
    const names = [1, 2, 3].map(number => `${how.replace(' ', '-')}-${number}`)
    const uids = await Promise.all(names.map((name, index) => create(name, index + 1)))
    await Promise.all(names.map(name => untilConsistent(operator, name, 'Ready')))
    const was = await holder()
    const end = Date.now() + 3_000
    const ends = names.map((_, index) => end + index * 400)
    await Promise.all(names.map((name, index) => endAt(name, ends[index] ?? end)))
    await sleep(Math.max(0, end + 200 - Date.now()))
    await handOver(leader)
    await Promise.all(names.map(name => untilConsistent(operator, name, 'gone')))
    for (const [index, name] of names.entries()) {
      const [row] = await rowsOf(operator, name)
      expect(Number(row?.deleted_at), name).toBeGreaterThanOrEqual(ends[index] ?? end)
      const events = await outboxOf(operator, uids[index] ?? '')
      expect(events.filter(each => each === 'instance.expired')).toHaveLength(1)
      expect(events.slice(-2)).toEqual(['instance.expired', 'instance.deleted'])
    }
    const isOther = async () => ![undefined, '', was].includes(await holder())
    await waitUntil('another holder', 20_000, isOther, operator.signal)
    leader = standby
  },
)

/** Pauses the organiser's clock or resumes it, and waits until the operator has taken that up. */
async function pause(paused: boolean): Promise<void> {
  const data = { paused: String(paused) }
  const metadata = { name: clockName, namespace: operator.namespace }
  const clock = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data }
  if (paused) await operator.cluster.create(clock, operator.signal)
  else await edit(operator, 'ConfigMap', clockName, { data })
  await eventually(operator, 'ConfigMap', clockStateName, found => found !== undefined)
}

test('instances that end at once are all marked before the first teardown, the soonest end first', async () => {
  const names = Array.from({ length: 12 }, (_, index) => `over-${index}`)
  await Promise.all(names.map((name, index) => create(name, index + 4, true)))
  await Promise.all(names.map(name => phaseOf(operator, name, 'Idle', 'Suspended')))
  await pause(true)
  // The order of the ends is neither that of the names nor that of the table.
  const first = Date.now() - 60_000
  const ends = new Map(names.map((name, index) => [name, first + ((index * 5) % names.length) * 1_000]))
  for (const [name, end] of ends) await endAt(name, end)
  const isHeld = (found: ChallengeInstance | undefined) =>
    found?.status?.reason === 'Paused' &&
    Date.parse(found.status.expiresAt ?? '') === ends.get(found.metadata.name ?? '')
  for (const name of names) await eventually<ChallengeInstance>(operator, 'ChallengeInstance', name, isHeld)
  await untilQueuesEmpty(operator.queues, operator.signal)
  messages = []
  deletions = []
  await pause(false)
  await Promise.all(names.map(name => untilConsistent(operator, name, 'gone')))

  const inOrder = [...ends].toSorted(([, a], [, b]) => a - b).map(([name]) => name)
  const sent = messages.filter(({ cause }) => cause === 'expiry').map(({ name }) => name)
  expect([...new Set(sent)]).toEqual(inOrder)
  const markedAt = (name: string) => {
    const marks = deletions.filter(({ path }) => path.endsWith(`/challengeinstances/${name}`))
    return Math.min(...marks.map(each => each.answeredAt))
  }
  const lastMark = Math.max(...names.map(markedAt))
  const teardowns = deletions.filter(({ path }) => path.includes('/deployments/'))
  expect(Math.min(...teardowns.map(each => each.begunAt))).toBeGreaterThan(lastMark)
  expect(await instanceCalled(operator, names[0] ?? '')).toBeUndefined()
})
