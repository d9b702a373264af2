import { setTimeout as sleep } from 'node:timers/promises'
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs'
import { afterEach, describe, expect, onTestFailed, test } from 'vitest'
import { openReceiver } from '../../lib/aws/receiver.ts'
import type { Deployment } from '../../lib/crd/objects.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { inconsistencies, instanceCalled, outboxOf, rowsOf, untilConsistent } from '../support/consistency.ts'
import { type FaultyOperator, startFaultyOperator } from '../support/faulty-operator.ts'
import { type RefusingQueue, refusingQueue, unreliableQueue } from '../support/faulty-queue.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { referenceTo } from '../support/operator.ts'
import { seededRandom } from '../support/random.ts'

let operator: FaultyOperator | undefined
afterEach(async () => {
  await operator?.stop()
  operator = undefined
})

/** The forwarder's clock runs ten times as fast, so that a message counts as lost after six seconds, not a minute. */
const speed = 10
const fastFrom = Date.now()
const fastClock = {
  now: () => fastFrom + (Date.now() - fastFrom) * speed,
  timers: {
    set: (run: () => void, afterMs: number) => setTimeout(run, Math.min(afterMs / speed, 2 ** 31 - 1)),
    clear: (timer: unknown) => clearTimeout(timer as NodeJS.Timeout),
  },
}

const range = (count: number) => Array.from({ length: count }, (_, index) => index + 1)
const nameOf = (team: number) => `web-${team}`

describe('the operator', () => {
  test('converges while messages are lost, doubled and overtaken', async () => {
    const seed = Number(process.env.CHAOS_SEED) || Math.floor(Math.random() * 2 ** 31)
    onTestFailed(() => void process.stderr.write(`seed: CHAOS_SEED=${seed}\n`))
    const random = seededRandom(seed)
    const unreliable = { lost: 0.25, doubled: 0.3, late: 0.4, longestMs: 1_500 }
    const teams = range(10)
    const started = await startFaultyOperator({
      teams,
      changes: inner => unreliableQueue(inner, unreliable, random),
      forwarder: fastClock,
    })
    operator = started
    const { cluster, namespace, signal } = started
    await cluster.create(templateOf(namespace, 'web'), signal)
    const instances = await Promise.all(
      teams.map(team => cluster.create(instanceOf(namespace, nameOf(team), 'web', team), signal)),
    )
    const uids = instances.map(each => (each === 'exists' ? '' : (each.metadata.uid ?? '')))
    // Some instances are edited, some are deleted, and some lose a child, whatever state each has reached.
    await cluster.apply(templateOf(namespace, 'web', { image: 'registry.example.com/ctf/web:2' }), signal)
    for (const team of teams.slice(0, 3))
      await cluster.delete(referenceTo(started, 'ChallengeInstance', nameOf(team)), {}, signal)
    for (const team of teams.slice(3, 6))
      await cluster.delete(referenceTo(started, 'Service', nameOf(team)), {}, signal)

    const end = Date.now() + 45_000
    const left = async () => {
      const wrong = await Promise.all(
        teams.map(async team => {
          const phase = (await instanceCalled(started, nameOf(team)))?.status?.phase ?? 'gone'
          const expected = team <= 3 ? 'gone' : 'Ready'
          const bad = [
            ...(phase === expected ? [] : [phase]),
            ...(await inconsistencies(started, nameOf(team))),
          ]
          const image = expected === 'gone' ? undefined : await imageOf(nameOf(team))
          if (image !== undefined && !image.endsWith(':2')) bad.push(image)
          return bad.map(each => `${nameOf(team)}: ${each}`)
        }),
      )
      return wrong.flat()
    }
    const imageOf = async (name: string) =>
      (await cluster.get<Deployment>(referenceTo(started, 'Deployment', name), signal))?.spec.template.spec
        .containers[0]?.image ?? 'no image'
    let wrong = await left()
    while (wrong.length > 0 && Date.now() < end) {
      await started.sweep({ resync: true }, signal)
      await sleep(1_000)
      wrong = await left()
    }
    expect(wrong, `seed ${seed}`).toEqual([])
    for (const [index, uid] of uids.entries()) {
      const events = await outboxOf(started, uid)
      expect(events.filter((each, place) => each === events[place - 1])).toEqual([])
      // A deletion may come before the first pass. Then there is no event at all.
      expect([index < 3 ? 'instance.deleted' : 'instance.ready', undefined]).toContain(events.at(-1))
      expect(events.indexOf('instance.deleted')).toBe(index < 3 ? events.length - 1 : -1)
    }
  })

  test('converges after the queue refused every message for a while', async () => {
    let queue: RefusingQueue | undefined
    const started = await startFaultyOperator({
      teams: range(4),
      changes: inner => {
        queue = refusingQueue(inner)
        return queue
      },
    })
    operator = started
    const { cluster, namespace, signal } = started
    if (queue === undefined) throw new Error('no queue')
    const refusing = queue
    const refusedMore = (count: number) => {
      const from = refusing.refused
      const isSo = async () => refusing.refused >= from + count
      return waitUntil('refusals', 20_000, isSo, signal)
    }
    await cluster.create(templateOf(namespace, 'web'), signal)
    await cluster.create(instanceOf(namespace, 'web-1', 'web', 1), signal)
    await untilConsistent(started, 'web-1', 'Ready')
    refusing.behaviour = 'refuses'
    await cluster.create(instanceOf(namespace, 'web-2', 'web', 2), signal)
    await cluster.delete(referenceTo(started, 'ChallengeInstance', 'web-1'), {}, signal)
    await refusedMore(3)
    refusing.behaviour = 'fails'
    await cluster.create(instanceOf(namespace, 'web-3', 'web', 3), signal)
    // This instance came and went while the queue refused its messages. Nothing may be left of it.
    await cluster.create(instanceOf(namespace, 'web-4', 'web', 4), signal)
    await cluster.delete(referenceTo(started, 'ChallengeInstance', 'web-4'), {}, signal)
    await refusedMore(3)
    expect((await instanceCalled(started, 'web-2'))?.status).toBeUndefined()
    refusing.behaviour = 'accepts'
    await Promise.all([
      untilConsistent(started, 'web-1', 'gone'),
      untilConsistent(started, 'web-2', 'Ready'),
      untilConsistent(started, 'web-3', 'Ready'),
      untilConsistent(started, 'web-4', 'gone'),
    ])
    expect(started.passes.filter(pass => pass.name === 'web-2').length).toBeLessThanOrEqual(3)
  })
})

describe('a message that cannot be handled', () => {
  test('becomes a dead letter with its reason, and blocks neither its group nor others', async () => {
    const started = await startFaultyOperator()
    operator = started
    const { cluster, namespace, signal, queues } = started
    const sqs = new SQSClient(queues.clientOptions)
    const poison = (body: string, group: string, id: string) =>
      sqs.send(
        new SendMessageCommand({
          QueueUrl: queues.changesUrl,
          MessageBody: body,
          MessageGroupId: group,
          MessageDeduplicationId: id,
        }),
      )
    await poison('not JSON', `${namespace}/web-1`, 'a')
    await poison('{"v":2,"namespace":"x"}', `${namespace}/web-1`, 'b')
    await cluster.create(templateOf(namespace, 'web'), signal)
    await cluster.create(instanceOf(namespace, 'web-1', 'web', 1), signal)
    await cluster.create(instanceOf(namespace, 'web-2', 'web', 2), signal)
    await Promise.all([
      untilConsistent(started, 'web-1', 'Ready'),
      untilConsistent(started, 'web-2', 'Ready'),
    ])

    const letters: Record<string, string | undefined> = {}
    const receiver = openReceiver({
      queueUrl: queues.deadLettersUrl,
      clientOptions: queues.clientOptions,
      waitSeconds: 1,
    })
    const arrived = async () => {
      const records = await receiver.receive(signal)
      for (const { body, messageAttributes } of records) letters[body] = messageAttributes.reason?.stringValue
      // All messages are of one group: a message that is not deleted hides the later ones.
      await receiver.acknowledge(records, new Set(), signal)
      return Object.keys(letters).length >= 2
    }
    await waitUntil('two dead letters', 10_000, arrived, signal)
    receiver.close()
    sqs.destroy()
    expect(letters).toEqual({
      'not JSON': expect.stringContaining('not JSON'),
      '{"v":2,"namespace":"x"}': expect.stringContaining('version 2'),
    })
    expect(await rowsOf(started, 'web-1')).toHaveLength(1)
  })
})
