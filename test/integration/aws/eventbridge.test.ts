import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openEventBus } from '../../../lib/aws/eventbridge.ts'
import type { OutboxEvent } from '../../../lib/events.ts'
import type { LocalEventBus } from '../../../local/parts/event-bus.ts'
import { startTestEventBus } from '../../support/event-bus.ts'

const soon = () => AbortSignal.timeout(10_000)
const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }

let server: LocalEventBus
beforeAll(async () => {
  server = await startTestEventBus()
})
afterAll(() => server.stop())

function busAt(endpoint: string) {
  return openEventBus({
    busName: 'ctf-events',
    clientOptions: { endpoint, region: 'eu-central-1', credentials, maxAttempts: 1 },
  })
}

function events(count: number, payload: Record<string, unknown> = {}): OutboxEvent[] {
  return Array.from({ length: count }, (_, index) => ({
    id: String(index),
    eventId: `event-${index}`,
    type: 'instance.ready',
    payload: { eventId: `event-${index}`, ...payload },
    createdAt: '2026-11-23T10:00:00.000Z',
  }))
}

/** Starts a bus that answers every request as told. */
async function answering(answer: () => { status: number; body: unknown }) {
  const fake = createServer((_, response) => {
    const { status, body } = answer()
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body))
  })
  await new Promise<void>(resolve => fake.listen(0, '127.0.0.1', resolve))
  return {
    bus: busAt(`http://127.0.0.1:${(fake.address() as AddressInfo).port}`),
    stop() {
      fake.closeAllConnections()
      return new Promise(resolve => fake.close(resolve))
    },
  }
}

describe('EventBus.put', () => {
  it('delivers every event with the promised fields', async () => {
    const sent = events(23, { note: 'née 🏁' })
    expect(await busAt(server.endpoint).put(sent, soon())).toEqual({ accepted: sent, refused: [] })
    const received = server.events().slice(-23)
    expect(received.map(event => event.detail)).toEqual(sent.map(event => event.payload))
    expect(received[0]).toMatchObject({
      busName: 'ctf-events',
      source: 'challenge-operator',
      detailType: 'instance.ready',
      time: '2026-11-23T10:00:00.000Z',
    })
  })

  it('tells accepted events from those that the bus is too busy for', async () => {
    server.failNext(2)
    const sent = events(12)
    expect(await busAt(server.endpoint).put(sent, soon())).toEqual({
      accepted: sent.slice(2),
      refused: sent.slice(0, 2).map(event => ({ event, why: 'InternalFailure', lasting: false })),
    })
  })

  it('sends no request for no events', async () => {
    expect(await busAt('http://127.0.0.1:1').put([], soon())).toEqual({ accepted: [], refused: [] })
  })

  it('delivers the other events if one is bigger than a request may be', async () => {
    const [first, last] = events(2) as [OutboxEvent, OutboxEvent]
    const big: OutboxEvent = { ...first, id: 'big', payload: { note: 'x'.repeat(300_000) } }
    expect(await busAt(server.endpoint).put([big, first, last], soon())).toEqual({
      accepted: [first, last],
      refused: [{ event: big, why: 'it has 300057 bytes, and the bus takes 262143', lasting: true }],
    })
  })
})

describe('EventBus.put, when the bus accepts nothing', () => {
  it('returns what was accepted before a request failed, and counts no other event as refused', async () => {
    const sent = events(12)
    let requests = 0
    const taken = { Entries: sent.slice(0, 10).map(({ id }) => ({ EventId: id })), FailedEntryCount: 0 }
    const { bus, stop } = await answering(() => {
      requests += 1
      return requests === 1
        ? { status: 200, body: taken }
        : { status: 500, body: { __type: 'InternalException' } }
    })
    expect(await bus.put(sent, soon())).toEqual({ accepted: sent.slice(0, 10), refused: [] })
    await stop()
  })

  it.each([
    [400, 'ThrottlingException', 'Internal', /throttles/],
    [400, 'AccessDeniedException', 'Forbidden', /events:PutEvents/],
    [400, 'ResourceNotFoundException', 'OperatorMisconfigured', /EVENT_BUS_NAME/],
    [500, 'InternalException', 'Internal', /InternalException/],
  ])('makes %i %s an OperatorError with the reason %s', async (status, type, reason, message) => {
    const { bus, stop } = await answering(() => ({ status, body: { __type: type, message: 'secret body' } }))
    const thrown = await bus.put(events(1), soon()).catch(error => error)
    expect(thrown).toMatchObject({ reason, fate: 'retryable', message: expect.stringMatching(message) })
    expect(thrown.message).toContain('ctf-events')
    expect(thrown.message).not.toContain('secret body')
    await stop()
  })

  it('names the endpoint variable if nothing listens on the port', async () => {
    await expect(busAt('http://127.0.0.1:1').put(events(1), soon())).rejects.toMatchObject({
      reason: 'Internal',
      message: expect.stringContaining('AWS_ENDPOINT_URL_EVENTBRIDGE'),
    })
  })

  it('ends at once when the signal aborts and the bus is silent', async () => {
    const silent = createServer(() => {})
    await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
    const started = performance.now()
    const bus = busAt(`http://127.0.0.1:${(silent.address() as AddressInfo).port}`)
    await expect(bus.put(events(1), AbortSignal.timeout(200))).rejects.toThrow(/deadline/)
    expect(performance.now() - started).toBeLessThan(4_000)
    silent.closeAllConnections()
    await new Promise(resolve => silent.close(resolve))
  })
})
