import { afterEach, expect, test } from 'vitest'
import { openReceiver } from '../../lib/aws/receiver.ts'
import { OperatorError } from '../../lib/errors.ts'
import { startTcpProxy } from '../integration/kubernetes/tcp-proxy.ts'
import { untilConsistent } from '../support/consistency.ts'
import { type FaultyOperator, startFaultyOperator } from '../support/faulty-operator.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { eventually, phaseOf, referenceTo } from '../support/operator.ts'
import { sharedControlPlane } from '../support/shared-parts.ts'

const cleanUp: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const each of cleanUp.splice(0).reverse()) await each()
})

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)
const nameOf = (team: number) => `web-${team}`

async function start(options: Parameters<typeof startFaultyOperator>[0]): Promise<FaultyOperator> {
  const operator = await startFaultyOperator(options)
  cleanUp.push(() => operator.stop())
  await operator.cluster.create(templateOf(operator.namespace, 'web'), operator.signal)
  return operator
}

async function create(operator: FaultyOperator, teams: readonly number[]): Promise<void> {
  const { cluster, namespace, signal } = operator
  await Promise.all(
    teams.map(team => cluster.create(instanceOf(namespace, nameOf(team), 'web', team), signal)),
  )
}

async function deadLetters({ queues, signal }: FaultyOperator): Promise<string[]> {
  const { deadLettersUrl: queueUrl, clientOptions } = queues
  const receiver = openReceiver({ queueUrl, clientOptions, waitSeconds: 1 })
  const records = await receiver.receive(signal).finally(() => receiver.close())
  return records.map(({ body }) => body)
}

test('an instance whose follow-up cannot be sent is deleted while the timers queue still refuses', async () => {
  let refused = 0
  const operator = await start({
    // The visibility timeout of the deployed queue.
    changesVisibility: 360,
    timers: () => ({
      async send() {
        refused += 1
        throw new OperatorError('Internal', 'queue timers throttles us')
      },
    }),
  })
  const { cluster, namespace, signal } = operator
  const spec = { ports: [{ port: 80 }] }
  await cluster.create(
    { apiVersion: 'v1', kind: 'Service', metadata: { namespace, name: nameOf(1) }, spec } as never,
    signal,
  )
  await create(operator, [1])
  const taken = await phaseOf(operator, nameOf(1), 'Failed', 'NameTaken')
  expect(taken.status?.reason).toBe('NameTaken')
  // The status is written before the follow-up is sent.
  await expect.poll(() => refused, { timeout: 30_000 }).toBeGreaterThan(0)
  await cluster.delete(referenceTo(operator, 'ChallengeInstance', nameOf(1)), {}, signal)
  await eventually(operator, 'ChallengeInstance', nameOf(1), found => found === undefined, 40_000)
  expect(await deadLetters(operator)).toEqual([])
}, 120_000)

test('connections that have gone silent hold no batch for longer than some calls', async () => {
  const plane = sharedControlPlane()
  const { port, hostname: host } = new URL(plane.server)
  const proxy = await startTcpProxy({ host, port: Number(port) })
  cleanUp.push(() => proxy.stop())
  const operator = await start({
    teams: range(1, 20),
    changesVisibility: 360,
    serverOf: name => (name === 'reconcile' ? `https://${host}:${proxy.port}` : undefined),
  })
  await create(operator, range(1, 10))
  for (const team of range(1, 10)) await untilConsistent(operator, nameOf(team), 'Ready')
  expect(proxy.accepted).toBeGreaterThan(4)

  proxy.silence()
  const began = Date.now()
  await create(operator, range(11, 20))
  await Promise.all(range(11, 20).map(team => untilConsistent(operator, nameOf(team), 'Ready', 50_000)))
  // Passes that wait for silent connections until their invocation ends take 52 s.
  expect(Date.now() - began).toBeLessThan(50_000)
  expect(await deadLetters(operator)).toEqual([])
}, 150_000)
