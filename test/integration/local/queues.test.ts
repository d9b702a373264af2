import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import {
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SetQueueAttributesCommand,
  SQSClient,
} from '@aws-sdk/client-sqs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ensureQueues } from '../../../lib/aws/queues.ts'
import { changesReceives } from '../../../lib/aws/redelivery.ts'
import { startQueues } from '../../../local/parts/queues.ts'
import { testQueues } from '../../support/shared-parts.ts'
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts'

const { signal } = new AbortController()
let folder: TemporaryFolder

beforeAll(async () => {
  folder = await temporaryFolder('queues')
})
afterAll(() => folder.remove())

const start = () => startQueues({ dataDir: folder.path }, signal)

describe('the local queues', () => {
  it('have the attributes of the deployed ones', async () => {
    const { clientOptions, changesUrl, timersUrl, deadLettersUrl } = await testQueues()
    const client = new SQSClient(clientOptions)
    const attributesOf = async (QueueUrl: string) => {
      const { Attributes } = await client.send(
        new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }),
      )
      return Attributes
    }
    const changes = await attributesOf(changesUrl)
    expect(changes).toMatchObject({
      FifoQueue: 'true',
      DeduplicationScope: 'messageGroup',
      FifoThroughputLimit: 'perMessageGroupId',
      ContentBasedDeduplication: 'false',
      VisibilityTimeout: '60',
    })
    const dead = await attributesOf(deadLettersUrl)
    expect(JSON.parse(changes?.RedrivePolicy ?? '')).toEqual({
      deadLetterTargetArn: dead?.QueueArn,
      maxReceiveCount: changesReceives,
    })
    expect(await attributesOf(timersUrl)).toMatchObject({ VisibilityTimeout: '30' })
    client.destroy()
  })

  it('keep their messages and their URLs over a restart', async () => {
    const first = await start()
    const client = new SQSClient(first.clientOptions)
    const message = { QueueUrl: first.changesUrl, MessageGroupId: 'a', MessageDeduplicationId: '1' }
    await client.send(new SendMessageCommand({ ...message, MessageBody: 'kept' }))
    await client.send(
      new SendMessageCommand({ QueueUrl: first.timersUrl, MessageBody: 'later', DelaySeconds: 1 }),
    )
    await first.stop()
    const second = await start()
    expect(second.changesUrl).toBe(first.changesUrl)
    const receive = async (QueueUrl: string) => {
      const { Messages = [] } = await client.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 3 }))
      return Messages.map(each => each.Body)
    }
    expect(await receive(second.changesUrl)).toEqual(['kept'])
    expect(await receive(second.timersUrl)).toEqual(['later'])
    client.destroy()
    await second.stop()
  })

  it('are created once on an endpoint, also for a client of another region', async () => {
    const queues = await start()
    const elsewhere = { ...queues.clientOptions, region: 'eu-central-1' }
    const again = await ensureQueues({ clientOptions: elsewhere, changesVisibility: 90 }, signal)
    expect(new URL(again.changesUrl).pathname).toBe(new URL(queues.changesUrl).pathname)
    await queues.stop()
  })

  it('get the number of receives of this release if another one created them', async () => {
    const queues = await start()
    const client = new SQSClient(queues.clientOptions)
    const QueueUrl = queues.changesUrl
    const policyOf = async () => {
      const wanted = { QueueUrl, AttributeNames: ['RedrivePolicy' as const] }
      const { Attributes } = await client.send(new GetQueueAttributesCommand(wanted))
      return JSON.parse(Attributes?.RedrivePolicy ?? '{}')
    }
    const earlier = JSON.stringify({ ...(await policyOf()), maxReceiveCount: 5 })
    await client.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { RedrivePolicy: earlier } }))
    expect(await policyOf()).toMatchObject({ maxReceiveCount: 5 })
    await ensureQueues({ clientOptions: queues.clientOptions }, signal)
    expect(await policyOf()).toEqual({ ...JSON.parse(earlier), maxReceiveCount: changesReceives })
    client.destroy()
    await queues.stop()
  })

  it('answer on the loopback address only', async context => {
    const outside = Object.values(networkInterfaces()).flat()
    const address = outside.find(each => each && !each.internal && each.family === 'IPv4')?.address
    if (address === undefined) context.skip()
    const queues = await start()
    const refused = new Promise(resolve => {
      connect(Number(new URL(queues.endpoint).port), address)
        .once('connect', () => resolve(false))
        .once('error', () => resolve(true))
    })
    expect(await refused).toBe(true)
    await queues.stop()
  })
})
