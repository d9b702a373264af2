import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { QueueUrls } from '../../lib/aws/queues.ts'
import type { SqsClientOptions } from '../../lib/aws/sqs-client.ts'

export interface CountedQueues {
  queues: QueueUrls & { clientOptions: SqsClientOptions }
  /** All messages that were sent to one of the queues, oldest first. */
  sent: { queue: 'changes' | 'timers' | 'sweeps' | 'dead letters'; body: string }[]
  stop(): Promise<void>
}

interface SendRequest {
  QueueUrl?: string
  MessageBody?: string
  Entries?: { MessageBody?: string }[]
}

/** Starts a proxy in front of the queues that records every sent message. SQS has no call that lists them. */
export async function startCountedQueues(inner: CountedQueues['queues']): Promise<CountedQueues> {
  const target = new URL(String(inner.clientOptions.endpoint))
  const sent: CountedQueues['sent'] = []
  const server = createServer(async (incoming, outgoing) => {
    const body = await buffer(incoming)
    if (/\.SendMessage(Batch)?$/.test(String(incoming.headers['x-amz-target'])))
      sent.push(...messagesOf(JSON.parse(body.toString()) as SendRequest))
    const forwarded = request(
      new URL(incoming.url ?? '/', target),
      { method: incoming.method, headers: { ...incoming.headers, host: target.host } },
      answer => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(outgoing)
      },
    )
    forwarded.on('error', () => outgoing.destroy())
    // A long poll whose caller has gone must not receive a message.
    outgoing.on('close', () => forwarded.destroy())
    forwarded.end(body)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  // The SDK calls the host of the queue's URL.
  const through = (url: string) => new URL(new URL(url).pathname, endpoint).href
  return {
    queues: {
      changesUrl: through(inner.changesUrl),
      timersUrl: through(inner.timersUrl),
      sweepsUrl: through(inner.sweepsUrl),
      deadLettersUrl: through(inner.deadLettersUrl),
      clientOptions: { ...inner.clientOptions, endpoint },
    },
    sent,
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

const patterns = { 'dead letters': /dead-letters/, timers: /timers$/, sweeps: /sweeps$/ }
const queueNames = ['dead letters', 'timers', 'sweeps'] as const

function messagesOf({
  QueueUrl = '',
  MessageBody,
  Entries = [{ MessageBody: MessageBody ?? '' }],
}: SendRequest) {
  const queue = queueNames.find(name => patterns[name].test(QueueUrl)) ?? 'changes'
  return Entries.map(entry => ({ queue, body: entry.MessageBody ?? '' }) as const)
}
