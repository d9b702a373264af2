import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { abortable } from '../../lib/abort.ts'
import { annotations } from '../../lib/crd/group.ts'
import { flushMs, lingerMs } from '../../lib/forward/send/leadership.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import { createOwnership } from '../../lib/kubernetes/lease/ownership.ts'
import { type Lease, standbyOf } from '../../lib/kubernetes/lease/record.ts'
import { silentLog } from '../../lib/telemetry/log.ts'
import { version } from '../../lib/version.ts'
import { takeOver } from '../../local/commands/doctor/installation-check.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { instanceCalled, outboxOf, untilConsistent } from '../support/consistency.ts'
import {
  type FaultyOperator,
  type ForwarderOptions,
  startFaultyOperator,
} from '../support/faulty-operator.ts'
import { startForwarderProcess } from '../support/forwarder-process.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { referenceTo } from '../support/operator.ts'
import { recordedLog } from '../support/recorded-log.ts'
import { type Severable, severable } from '../support/severable-client.ts'

/** A fifth of the deployed times. */
const short = { durationMs: 3_000, renewMs: 1_000, retryMs: 400, warnAfterMs: 2_000 }

let operator: FaultyOperator
beforeEach(async () => {
  operator = await startFaultyOperator({ forwarder: false, teams: [1, 2, 3, 4, 5, 6, 7] })
  await operator.cluster.create(templateOf(operator.namespace, 'web'), operator.signal)
})
afterEach(() => operator?.stop())

interface Standing extends Severable {
  stop(): Promise<void>
}

interface StartOptions extends Pick<ForwarderOptions, 'installation' | 'log'> {
  /** The second write of the Lease, and every later one, waits for it. The first one says that the forwarder stands by. */
  writes?: Promise<void>
}

function start(leaseTimes = {}, { writes, ...options }: StartOptions = {}): Standing {
  const inner = operator.clientFor('watch-forwarder')
  const parts = severable({
    client: writes === undefined ? inner : afterFirstWrite(inner, writes),
    changes: operator.queues.changes,
  })
  const { client, changes } = parts
  const { stop } = operator.startForwarder({ client, changes, leaseTimes, ...options })
  return { ...parts, sent: parts.sent, stop }
}

function afterFirstWrite(inner: KubernetesClient, until: Promise<void>): KubernetesClient {
  let written = 0
  return {
    ...inner,
    async request(method, path, request, signal) {
      if (method === 'PUT' && path.includes('/leases/')) {
        written += 1
        if (written > 1) await abortable(until, signal)
      }
      return inner.request(method, path, request, signal)
    },
  }
}

const lease = () => {
  const reference = {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    namespace: operator.namespace,
    name: 'challenge-operator-watch-forwarder',
  }
  return operator.cluster.get<Lease>(reference, operator.signal)
}
const holder = async () => (await lease())?.spec?.holderIdentity
const untilHeldByAnother = (than: string | undefined) =>
  waitUntil(
    'another holder',
    15_000,
    async () => ![than, '', undefined].includes(await holder()),
    operator.signal,
  )

/** Starts two forwarders, of which the first leads. */
async function startTwo(leaseTimes = {}): Promise<[Standing, Standing]> {
  const first = start(leaseTimes)
  await waitUntil('a holder', 10_000, async () => Boolean(await holder()), operator.signal)
  const second = start(leaseTimes)
  await create('before', 1)
  await untilConsistent(operator, 'before', 'Ready')
  expect(second.sent.size).toBe(0)
  return [first, second]
}

const create = (name: string, team: number) =>
  operator.cluster.create(instanceOf(operator.namespace, name, 'web', team), operator.signal)
const remove = (name: string) =>
  operator.cluster.delete(referenceTo(operator, 'ChallengeInstance', name), {}, operator.signal)

describe('the standby forwarder', () => {
  test('takes over at once after an orderly stop, and sends nothing for unchanged instances', async () => {
    const [first, second] = await startTwo()
    const was = await holder()
    await first.stop()
    const since = Date.now()
    await create('after', 2)
    await untilConsistent(operator, 'after', 'Ready')
    expect(await holder()).not.toBe(was)
    // The deployed lease would take fifteen seconds.
    expect(Date.now() - since).toBeLessThan(10_000)
    expect(operator.passes.filter(pass => pass.name === 'before').length).toBeLessThanOrEqual(2)
    expect(second.sent.size).toBeGreaterThan(0)
  })

  test('misses no change while its leader ends, which sends on until the standby leads', async () => {
    // A busy machine does not end the wait for the standby.
    const patient = { successorMs: 60_000 }
    const first = start(patient)
    await waitUntil('a holder', 10_000, async () => Boolean(await holder()), operator.signal)
    const gate = Promise.withResolvers<void>()
    const second = start(patient, { writes: gate.promise })
    await waitUntil('a standby', 20_000, async () => standbyOf(await lease()) !== undefined, operator.signal)
    const ending = first.stop()
    await waitUntil('no holder', 10_000, async () => (await holder()) === '', operator.signal)
    await create('between', 1)
    await untilConsistent(operator, 'between', 'Ready')
    expect(await holder()).toBe('')
    expect([first.sent.size > 0, second.sent.size]).toEqual([true, 0])
    gate.resolve()
    await create('after', 2)
    await untilConsistent(operator, 'after', 'Ready')
    await ending
    expect(await holder()).not.toBe('')
    expect(second.sent.size).toBeGreaterThan(0)
  })

  test('takes over within the lease’s time after a kill, and misses no change', async () => {
    const [first] = await startTwo(short)
    const was = await holder()
    first.sever()
    await create('orphaned', 2)
    await remove('before')
    await Promise.all([
      untilConsistent(operator, 'orphaned', 'Ready'),
      untilConsistent(operator, 'before', 'gone'),
    ])
    expect(await holder()).not.toBe(was)
  })
})

test('sweeps alone bring instances up and remove them without a forwarder', async () => {
  await create('swept', 1)
  const swept = (phase: 'Ready' | 'gone') =>
    waitUntil(
      `swept to be ${phase}`,
      30_000,
      async () => {
        await operator.sweep({ resync: true }, operator.signal)
        return ((await instanceCalled(operator, 'swept'))?.status?.phase ?? 'gone') === phase
      },
      operator.signal,
    )
  await swept('Ready')
  await remove('swept')
  await swept('gone')
  await untilConsistent(operator, 'swept', 'gone')
})

describe('a forwarder that was deployed later', () => {
  test('takes the lead at once, a rollback too, and no change of that moment is lost', async () => {
    // The lease times are the deployed ones: a holder that renews would keep it for ever.
    const first = start({}, { installation: { deployedAt: '2026-11-30T10:00:00Z' } })
    await waitUntil('a holder', 10_000, async () => Boolean(await holder()), operator.signal)
    const teams = [1, 2, 3, 4, 5, 6].values()
    const created: string[] = []
    const createSome = async (count: number) => {
      for (const team of teams.take(count)) {
        await create(`over-${team}`, team)
        created.push(`over-${team}`)
        await sleep(100)
      }
    }
    const handOver = async (installation: { deployedAt: string }) => {
      const was = await holder()
      const next = start({}, { installation })
      await Promise.all([untilHeldByAnother(was), createSome(3)])
      return next
    }
    await handOver({ deployedAt: '2026-11-30T11:00:00Z' })
    // The earlier leader sends on until it is over, so that no event waits.
    await sleep(lingerMs + flushMs)
    const firstSent = first.sent.size
    const rolledBack = await handOver({ deployedAt: '2026-11-30T12:00:00Z' })
    expect((await lease())?.metadata.annotations).toMatchObject({
      [annotations.deployedAt]: '2026-11-30T12:00:00Z',
      [annotations.version]: version,
    })
    await Promise.all(created.map(name => untilConsistent(operator, name, 'Ready')))
    expect(created).toHaveLength(6)
    expect(first.sent.size).toBe(firstSent)
    expect(rolledBack.sent.size).toBeGreaterThan(0)
  })
})

describe('a forwarder that is stopped and continued', () => {
  test('sends nothing before it has looked at the lease, and stands by for the one that took over', async () => {
    const { namespace, queues, accounts } = operator
    const frozen = await startForwarderProcess({
      env: { OPERATOR_NAMESPACE: namespace },
      kubeconfig: accounts.kubeconfigOf('watch-forwarder'),
      queues,
      sqs: queues.clientOptions,
      leaseTimes: short,
    })
    try {
      await waitUntil('a holder', 20_000, async () => Boolean(await holder()), operator.signal)
      await create('before', 1)
      await untilConsistent(operator, 'before', 'Ready')
      const was = await holder()
      const second = start(short)
      const sent = [...frozen.sent]
      expect(sent).toContain('before')
      frozen.child.kill('SIGSTOP')
      // Its sockets fill with these events while it is stopped.
      await untilHeldByAnother(was)
      await create('while-stopped', 2)
      await remove('before')
      await untilConsistent(operator, 'while-stopped', 'Ready')
      await untilConsistent(operator, 'before', 'gone')
      frozen.child.kill('SIGCONT')
      await create('afterwards', 3)
      await untilConsistent(operator, 'afterwards', 'Ready')
      await sleep(short.durationMs)
      expect(frozen.sent).toEqual(sent)
      await second.stop()
      await create('led-again', 7)
      await untilConsistent(operator, 'led-again', 'Ready')
      expect(frozen.sent).toContain('led-again')
    } finally {
      await frozen.end()
    }
  })
})

describe('the forwarder of another installation', () => {
  test('never leads and sends nothing, and says whose cluster it is', async () => {
    const { log, lines } = recordedLog()
    const owner = start(short, { installation: { stack: 'ours' } })
    await waitUntil('a holder', 10_000, async () => Boolean(await holder()), operator.signal)
    const other = start(short, { installation: { stack: 'theirs', deployedAt: '2026-11-30T12:00:00Z' }, log })
    await create('owned', 1)
    await untilConsistent(operator, 'owned', 'Ready')
    await owner.stop()
    await sleep(short.durationMs + short.renewMs)
    expect(await holder()).toBe('')
    expect(other.sent.size).toBe(0)
    expect(lines.filter(({ level }) => level === 'error')).toMatchObject([
      {
        message: 'the cluster belongs to another installation, nothing is sent',
        fields: {
          owner: 'ours',
          installation: 'theirs',
          remedy: expect.stringContaining('doctor --take-over'),
        },
      },
    ])

    const { clientFor, namespace: leaseNamespace, signal } = operator
    const ownershipOf = (stack: string) =>
      createOwnership({
        ...{ client: clientFor('sweep'), namespace: leaseNamespace, writer: { stack } },
        ...{ log: silentLog, now: Date.now, trustMs: 0 },
      })
    const owners = async () => [
      await ownershipOf('ours').owns(undefined, signal),
      await ownershipOf('theirs').owns(undefined, signal),
    ]
    expect(await owners()).toEqual([true, false])
    const former = start(short, { installation: { stack: 'ours' } })
    await untilHeldByAnother('')
    const theirs = { installation: { stack: 'theirs', deployedAt: undefined }, leaseNamespace }
    expect(await takeOver(operator.client, theirs, signal)).toContain(
      'belongs to theirs now; before, to ours',
    )
    await create('taken-over', 2)
    await untilConsistent(operator, 'taken-over', 'Ready')
    expect(await owners()).toEqual([false, true])
    const sent = former.sent.size
    await create('afterwards', 3)
    await untilConsistent(operator, 'afterwards', 'Ready')
    expect(former.sent.size).toBe(sent)
    expect(other.sent.size).toBeGreaterThan(0)
  })
})

describe('two forwarders that both send', () => {
  test('cause at most twice the passes and no doubled event', async () => {
    const [first, second] = await startTwo(short)
    const was = await holder()
    // It keeps watching and sending, and does not learn of the new holder.
    first.sever(/\/leases/)
    await untilHeldByAnother(was)
    const before = { first: first.sent.size, second: second.sent.size }
    const names = [2, 3, 7].map(team => ({ name: `both-${team}`, team }))
    const created = await Promise.all(names.map(({ name, team }) => create(name, team)))
    await Promise.all(names.map(({ name }) => untilConsistent(operator, name, 'Ready')))
    await Promise.all(names.map(({ name }) => remove(name)))
    await Promise.all(names.map(({ name }) => untilConsistent(operator, name, 'gone')))
    expect(first.sent.size).toBeGreaterThan(before.first)
    expect(second.sent.size).toBeGreaterThan(before.second)
    // One forwarder causes four: two at the start, two at the end.
    for (const { name } of names)
      expect(operator.passes.filter(pass => pass.name === name).length, name).toBeLessThanOrEqual(8)
    for (const each of created) {
      if (each === 'exists') throw new Error('exists')
      expect(await outboxOf(operator, each.metadata.uid ?? '')).toEqual([
        'instance.provisioning',
        'instance.ready',
        'instance.deleted',
      ])
    }
  })
})
