import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { OutgoingChange } from '../../../lib/aws/queue-ports.ts'
import { openReceiver } from '../../../lib/aws/receiver.ts'
import { openQueues } from '../../../lib/aws/sqs.ts'
import type { TimerMessage } from '../../../lib/messages.ts'
import { change } from '../../unit/functions/lambda-events.ts'
import { region, startQueues } from './sqs-server.ts'

let queues: Awaited<ReturnType<typeof startQueues>>
beforeAll(async () => {
  queues = await startQueues()
})
afterAll(() => queues.server.stop())

const never = new AbortController().signal

function outgoing(name: string, version: string): OutgoingChange {
  return { change: change(name, { resourceVersion: version }), deduplicationId: `${name}-${version}` }
}

/** Receives and acknowledges every message, in order of arrival. */
async function takeAll(queueUrl: string) {
  const receiver = openReceiver({ queueUrl, clientOptions: queues.clientOptions, waitSeconds: 0 })
  const taken = []
  for (let empty = 0; empty < 2; ) {
    const records = await receiver.receive(never)
    if (records.length === 0) empty++
    await receiver.acknowledge(records, new Set(), never)
    taken.push(...records)
  }
  receiver.close()
  return taken
}

describe('ChangesQueue.send', () => {
  it('delivers every change, each group in its order, in the shape of a Lambda event', async () => {
    const { changes } = openQueues({ ...queues.urls, clientOptions: queues.clientOptions })
    const sent = Array.from({ length: 60 }, (_, index) => outgoing(`i${index % 7}`, String(index)))
    expect(await changes.send(sent, never)).toEqual([])
    const taken = await takeAll(queues.urls.changesUrl)
    expect(taken).toHaveLength(60)
    for (let instance = 0; instance < 7; instance++) {
      const group = taken.filter(record => record.attributes.MessageGroupId === `ns/i${instance}`)
      const versions = group.map(record => Number(JSON.parse(record.body).resourceVersion))
      expect(versions).toEqual([...versions].sort((one, other) => one - other))
    }
    expect(taken[0]).toMatchObject({
      messageId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      body: JSON.stringify(sent[0]?.change),
      attributes: {
        MessageGroupId: 'ns/i0',
        MessageDeduplicationId: 'i0-0',
        SequenceNumber: expect.stringMatching(/^\d+$/),
        ApproximateReceiveCount: '1',
        SentTimestamp: expect.stringMatching(/^\d{13}$/),
      },
      md5OfBody: expect.stringMatching(/^[0-9a-f]{32}$/),
      eventSource: 'aws:sqs',
      eventSourceARN: `arn:aws:sqs:${region}:000000000000:changes.fifo`,
      awsRegion: region,
    })
  })

  it('delivers the same change of two senders once', async () => {
    const one = openQueues({ ...queues.urls, clientOptions: queues.clientOptions })
    const two = openQueues({ ...queues.urls, clientOptions: queues.clientOptions })
    await Promise.all([
      one.changes.send([outgoing('twin', '1')], never),
      two.changes.send([outgoing('twin', '1')], never),
    ])
    expect(await takeAll(queues.urls.changesUrl)).toHaveLength(1)
  })
})

describe('ChangesQueue.send, when it fails', () => {
  it('names the missing queue and the remedy', async () => {
    const changesUrl = queues.urls.changesUrl.replace('changes', 'nowhere')
    const { changes } = openQueues({ ...queues.urls, changesUrl, clientOptions: queues.clientOptions })
    await expect(changes.send([outgoing('a', '1')], never)).rejects.toMatchObject({
      name: 'OperatorError',
      reason: 'OperatorMisconfigured',
      message: 'queue nowhere.fifo does not exist; check its URL, the region and AWS_ENDPOINT_URL_SQS',
    })
  })

  it('says that the queue could not be reached, or that the deadline cut it off', async () => {
    const clientOptions = { ...queues.clientOptions, endpoint: 'http://127.0.0.1:1' }
    const changesUrl = 'http://127.0.0.1:1/000000000000/changes.fifo'
    const { changes } = openQueues({ ...queues.urls, changesUrl, clientOptions })
    await expect(changes.send([outgoing('a', '1')], never)).rejects.toThrow('could not be reached')
    const aborted = openQueues({ ...queues.urls, clientOptions: queues.clientOptions })
    await expect(aborted.changes.send([outgoing('a', '1')], AbortSignal.abort())).rejects.toThrow('deadline')
  })

  it('returns the refused change and every later one of its group, in their order', async () => {
    const refusing = await startRefusing('poison')
    const clientOptions = { ...queues.clientOptions, endpoint: refusing.endpoint }
    const { changes } = openQueues({
      ...queues.urls,
      changesUrl: `${refusing.endpoint}/000000000000/changes.fifo`,
      clientOptions,
    })
    const [first, second, third] = [outgoing('a', 'poison'), outgoing('a', '2'), outgoing('a', '3')]
    const left = await changes.send([outgoing('b', '1'), first, second, outgoing('c', '1'), third], never)
    expect(left).toEqual([first, second, third])
    expect(refusing.accepted.sort()).toEqual(['b-1', 'c-1'])
    refusing.server.close()
  })
})

describe('TimersQueue.send', () => {
  const timer = (dueInMs: number): TimerMessage => ({
    v: 1,
    key: { namespace: 'ns', name: 'a', uid: 'u', cause: 'retry', attempt: 1 },
    due: new Date(Date.now() + dueInMs).toISOString(),
  })

  it('floors the delay to seconds and caps it at 900 s', async () => {
    const { timers } = openQueues({ ...queues.urls, clientOptions: queues.clientOptions })
    for (const dueInMs of [-10_000, 999, 2_500, 7_200_000]) await timers.send(timer(dueInMs), never)
    const held = queues.server.inspectQueue('timers')?.messages
    expect(held?.ready).toHaveLength(2)
    const delays = held?.delayed.map(message => Math.round(((message.delayUntil ?? 0) - Date.now()) / 1_000))
    expect(delays).toEqual([2, 900])
  })
})

describe('DeadLetters.send', () => {
  it('keeps the body, the group and the reason of a message, once', async () => {
    const { deadLetters } = openQueues({ ...queues.urls, clientOptions: queues.clientOptions })
    const reason = `message is\n not JSON ${'x'.repeat(5_000)}\ud800`
    await deadLetters.send('{"broken', 'ns/a', reason, never)
    await deadLetters.send('{"broken', 'ns/a', reason, never)
    const taken = await takeAll(queues.urls.deadLettersUrl)
    expect(taken).toHaveLength(1)
    expect(taken[0]).toMatchObject({
      body: '{"broken',
      attributes: { MessageGroupId: 'ns/a' },
      messageAttributes: { reason: { dataType: 'String' } },
    })
    const kept = taken[0]?.messageAttributes.reason?.stringValue
    expect(kept).toMatch(/^message is not JSON xxx/)
    expect(kept?.length).toBeLessThanOrEqual(1_000)
  })
})

/** A server with just enough of the protocol to refuse single entries, which no other local queue server does. */
async function startRefusing(version: string) {
  const accepted: string[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => {
      const entries: Array<{ Id: string; MessageBody: string; MessageDeduplicationId: string }> = JSON.parse(
        Buffer.concat(chunks).toString(),
      ).Entries
      const refused = entries.filter(entry => JSON.parse(entry.MessageBody).resourceVersion === version)
      const taken = entries.filter(entry => !refused.includes(entry))
      accepted.push(...taken.map(entry => entry.MessageDeduplicationId))
      response.setHeader('content-type', 'application/x-amz-json-1.0')
      response.end(
        JSON.stringify({
          Successful: taken.map(({ Id, MessageBody }) => ({
            Id,
            MessageId: Id,
            MD5OfMessageBody: createHash('md5').update(MessageBody).digest('hex'),
          })),
          Failed: refused.map(({ Id }) => ({ Id, SenderFault: false, Code: 'InternalError' })),
        }),
      )
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return { server, accepted, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}
