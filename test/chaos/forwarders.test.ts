import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Lease } from '../../lib/kubernetes/lease/record.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { instanceCalled, outboxOf, untilConsistent } from '../support/consistency.ts'
import { type FaultyOperator, startFaultyOperator } from '../support/faulty-operator.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { referenceTo } from '../support/operator.ts'
import { type Severable, severable } from '../support/severable-client.ts'

/** A fifth of the deployed times. */
const short = { durationMs: 3_000, renewMs: 1_000, retryMs: 400, warnAfterMs: 2_000 }

let operator: FaultyOperator
beforeEach(async () => {
  operator = await startFaultyOperator({ forwarder: false })
  await operator.cluster.create(templateOf(operator.namespace, 'web'), operator.signal)
})
afterEach(() => operator?.stop())

interface Standing extends Severable {
  stop(): Promise<void>
}

function start(leaseTimes = {}): Standing {
  const parts = severable({ client: operator.clientFor('watch-forwarder'), changes: operator.queues.changes })
  const { client, changes } = parts
  const { stop } = operator.startForwarder({ client, changes, leaseTimes })
  return { ...parts, sent: parts.sent, stop }
}

const holder = async () => {
  const reference = {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    namespace: operator.namespace,
    name: 'challenge-operator-watch-forwarder',
  }
  return (await operator.cluster.get<Lease>(reference, operator.signal))?.spec?.holderIdentity
}

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

describe('two forwarders that both send', () => {
  test('cause at most twice the passes and no doubled event', async () => {
    const [first, second] = await startTwo(short)
    const was = await holder()
    // It keeps watching and sending, and does not learn of the new holder.
    first.sever(/\/leases/)
    const taken = async () => (await holder()) !== was
    await waitUntil('another holder', 15_000, taken, operator.signal)
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
