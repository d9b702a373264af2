import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { LocalEventBus, ReceivedEvent } from '../../../local/parts/event-bus.ts'
import { localCredentials, localRegion } from '../../../local/parts/queues.ts'
import { startTestEventBus } from '../../support/event-bus.ts'

let bus: LocalEventBus
let client: EventBridgeClient

beforeAll(async () => {
  bus = await startTestEventBus()
  client = new EventBridgeClient({
    endpoint: bus.endpoint,
    region: localRegion,
    credentials: localCredentials,
    maxAttempts: 1,
  })
})
beforeEach(() => bus.failNext(0))
afterAll(async () => {
  client.destroy()
  await bus.stop()
})

const entry = (detail: unknown, more: object = {}) => ({
  EventBusName: 'ctf',
  Source: 'challenge-operator',
  DetailType: 'instance.ready',
  Detail: JSON.stringify(detail),
  ...more,
})
const put = (...Entries: object[]) => client.send(new PutEventsCommand({ Entries }))

describe('the local event bus, called by the AWS SDK', () => {
  it('gives each event an id and passes it to listeners', async () => {
    const heard: ReceivedEvent[] = []
    const ending = bus.onEvent(event => heard.push(event))
    const time = new Date('2026-11-23T12:00:00Z')
    const answer = await put(entry({ sequence: 1 }, { Time: time }), entry({ sequence: 2 }))
    ending()
    expect(answer.FailedEntryCount).toBe(0)
    expect(answer.Entries?.map(each => each.EventId)).toEqual(heard.map(each => each.id))
    expect(heard[0]).toMatchObject({
      busName: 'ctf',
      source: 'challenge-operator',
      detailType: 'instance.ready',
      detail: { sequence: 1 },
      time: time.toISOString(),
    })
    expect(bus.events().slice(-2)).toEqual(heard)
  })

  it('reports success or failure for each entry', async () => {
    const before = bus.events().length
    bus.failNext(1)
    const answer = await put(entry(1), entry(2), entry(3, { Detail: '{' }), entry(4, { Source: undefined }))
    expect(answer.FailedEntryCount).toBe(3)
    expect(answer.Entries?.map(each => each.ErrorCode)).toEqual([
      'InternalFailure',
      undefined,
      'MalformedDetail',
      'InvalidArgument',
    ])
    expect(bus.events().slice(before)).toMatchObject([{ detail: 2 }])
  })

  it('refuses more than ten entries', async () => {
    await expect(put(...Array.from({ length: 11 }, (_, index) => entry(index)))).rejects.toMatchObject({
      name: 'ValidationException',
    })
  })
})
