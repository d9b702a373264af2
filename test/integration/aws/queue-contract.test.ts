import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { OutgoingChange } from '../../../lib/aws/queue-ports.ts'
import type { QueueUrls } from '../../../lib/aws/queues.ts'
import { openReceiver, type Receiver } from '../../../lib/aws/receiver.ts'
import { openQueues, type Queues } from '../../../lib/aws/sqs.ts'
import type { SqsClientOptions } from '../../../lib/aws/sqs-client.ts'
import { localCredentials, localRegion } from '../../../local/parts/queues.ts'
import { elasticMqMissing, startElasticMq } from '../../support/elasticmq.ts'
import { testQueues } from '../../support/shared-parts.ts'
import { change } from '../../unit/functions/lambda-events.ts'

const signal = AbortSignal.timeout(600_000)
const noElasticMq = await elasticMqMissing()

interface Server {
  urls: QueueUrls
  clientOptions: SqsClientOptions
  stop(): Promise<void>
}

const servers: Record<string, { skipped: string | undefined; start(): Promise<Server> }> = {
  fauxqs: {
    skipped: undefined,
    async start() {
      const { clientOptions, ...urls } = await testQueues()
      return { urls, clientOptions, stop: async () => {} }
    },
  },
  ElasticMQ: {
    skipped: noElasticMq,
    async start() {
      const { endpoint, stop } = await startElasticMq(signal)
      const url = (name: string) => `${endpoint}/000000000000/challenge-operator-${name}`
      const urls = {
        changesUrl: url('changes.fifo'),
        timersUrl: url('timers'),
        sweepsUrl: url('sweeps'),
        deadLettersUrl: url('changes-dead-letters.fifo'),
      }
      return { urls, clientOptions: { endpoint, region: localRegion, credentials: localCredentials }, stop }
    },
  },
}

describe.each(Object.entries(servers))('the queues on %s', (name, { skipped, start }) => {
  if (skipped !== undefined) {
    it.skip(`is left out, since ${skipped}`)
    return
  }
  let server: Server
  let queues: Queues
  const receivers: Receiver[] = []

  beforeAll(async () => {
    server = await start()
    queues = openQueues({ ...server.urls, clientOptions: server.clientOptions })
  }, 400_000)
  afterAll(async () => {
    for (const receiver of receivers) receiver.close()
    queues?.close()
    await server?.stop()
  })

  function receiverOf(queueUrl: string, visibilityTimeout?: number): Receiver {
    const { clientOptions } = server
    const options = { queueUrl, clientOptions, waitSeconds: 1 }
    const receiver = openReceiver(
      visibilityTimeout === undefined ? options : { ...options, visibilityTimeout },
    )
    receivers.push(receiver)
    return receiver
  }

  const outgoing = (instance: string, version: string): OutgoingChange => ({
    change: change(instance, { resourceVersion: version }),
    deduplicationId: `${name}-${instance}-${version}`,
  })

  /** Receives and acknowledges until so many messages have come. */
  async function take(receiver: Receiver, count: number) {
    const taken = []
    for (let polls = 0; taken.length < count && polls < 30; polls++) {
      const records = await receiver.receive(signal)
      await receiver.acknowledge(records, new Set(), signal)
      taken.push(...records)
    }
    return taken
  }

  it('deliver each group of changes in its order, and the same change once', async () => {
    const sent = Array.from({ length: 25 }, (_, index) => outgoing(`i${index % 5}`, String(index)))
    expect(await queues.changes.send(sent, signal)).toEqual([])
    expect(await queues.changes.send(sent.slice(0, 5), signal)).toEqual([])
    const receiver = receiverOf(server.urls.changesUrl)
    const taken = await take(receiver, 25)
    expect(taken).toHaveLength(25)
    for (let group = 0; group < 5; group++) {
      const versions = taken
        .filter(({ attributes }) => attributes.MessageGroupId === `ns/i${group}`)
        .map(({ body }) => Number(JSON.parse(body).resourceVersion))
      expect(versions).toEqual([0, 1, 2, 3, 4].map(round => round * 5 + group))
    }
    expect(await receiver.receive(signal)).toEqual([])
  })

  it('hold back a group while one of its changes is in flight, and deliver that one again after its time', async () => {
    await queues.changes.send([outgoing('held', '1')], signal)
    const receiver = receiverOf(server.urls.changesUrl, 3)
    const [first] = await receiver.receive(signal)
    expect(first?.attributes.ApproximateReceiveCount).toBe('1')
    await queues.changes.send([outgoing('held', '2')], signal)
    expect(await receiver.receive(signal)).toEqual([])
    const again = await take(receiver, 2)
    expect(again.map(({ body }) => JSON.parse(body).resourceVersion)).toEqual(['1', '2'])
    expect(again[0]?.attributes.ApproximateReceiveCount).toBe('2')
  })

  it('deliver timers and sweeps not before they are due', async () => {
    const key = { namespace: 'ns', name: 'a', uid: 'u', cause: 'retry', attempt: 1 } as const
    const began = Date.now()
    await queues.timers.send({ v: 1, key, due: new Date(began + 3_000).toISOString() }, signal)
    await queues.sweeps.send(
      { v: 1, began: new Date(began).toISOString(), number: 1, resync: false },
      2,
      signal,
    )
    expect(await receiverOf(server.urls.timersUrl).receive(signal)).toEqual([])
    const [turn] = await take(receiverOf(server.urls.sweepsUrl), 1)
    expect(Date.now() - began).toBeGreaterThanOrEqual(1_900)
    expect(JSON.parse(turn?.body ?? '')).toMatchObject({ number: 1 })
    const [timer] = await take(receiverOf(server.urls.timersUrl), 1)
    expect(JSON.parse(timer?.body ?? '')).toMatchObject({ key })
  })

  it('keep a dead letter with its group and its reason', async () => {
    await queues.deadLetters.send('{"broken', 'ns/a', 'message is not JSON', signal)
    const [letter] = await take(receiverOf(server.urls.deadLettersUrl), 1)
    expect(letter).toMatchObject({
      body: '{"broken',
      attributes: { MessageGroupId: 'ns/a' },
      messageAttributes: { reason: { stringValue: 'message is not JSON' } },
    })
  })
})
