import { setTimeout as sleep } from 'node:timers/promises'
import type { SQSRecord } from 'aws-lambda'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createHandler as createReconcile } from '../../../functions/reconcile/handler.ts'
import { createHandler as createTimer } from '../../../functions/timer/handler.ts'
import { openReceiver } from '../../../lib/aws/receiver.ts'
import { openQueues } from '../../../lib/aws/sqs.ts'
import { OperatorError } from '../../../lib/errors.ts'
import type { Pass } from '../../../lib/reconcile/pass/outcome.ts'
import { type MappingOptions, runMapping } from '../../../local/lambda/event-source-mapping.ts'
import { change, keptLog } from '../../unit/functions/lambda-events.ts'
import { startQueues } from './sqs-server.ts'

const never = new AbortController().signal
const soon = { timeout: 10_000, interval: 20 }

let queues: Awaited<ReturnType<typeof startQueues>>
let stopping: AbortController
let mappings: Promise<void>[]
let log: ReturnType<typeof keptLog>

beforeEach(async () => {
  queues = await startQueues(1)
  stopping = new AbortController()
  mappings = []
  log = keptLog()
})
afterEach(async () => {
  stopping.abort()
  await Promise.all(mappings)
  await queues.server.stop()
})

function play(
  handler: MappingOptions['handler'],
  options: Partial<MappingOptions> & { queueUrl?: string } = {},
) {
  const { queueUrl = queues.urls.changesUrl, ...rest } = options
  const receiver = openReceiver({ queueUrl, clientOptions: queues.clientOptions, waitSeconds: 1 })
  const mapping = runMapping(
    { name: 'reconcile', receiver, handler, workers: 4, timeoutMs: 20_000, log, ...rest },
    stopping.signal,
  )
  mappings.push(mapping)
  return mapping
}

function send(...names: string[]) {
  const { changes } = openQueues({ ...queues.urls, clientOptions: queues.clientOptions })
  const sent = names.map((name, index) => ({
    change: change(name, { resourceVersion: String(index) }),
    deduplicationId: `${name}-${index}`,
  }))
  return changes.send(sent, never)
}

const nameOf = (record: SQSRecord) => JSON.parse(record.body).name as string
const messagesIn = (queue: string) => queues.server.inspectQueue(queue)?.messages
const isEmpty = () => {
  const changes = messagesIn('changes.fifo')
  return changes?.ready.length === 0 && changes.inflight.length === 0
}

describe('the event source mapping', () => {
  it('handles groups at the same time, each group in turn, and acknowledges every message', async () => {
    const running = new Map<string, number>()
    let [most, doubled] = [0, false]
    play(async ({ Records }) => {
      const names = new Set(Records.map(nameOf))
      for (const name of names) {
        doubled ||= running.has(name)
        running.set(name, 1)
      }
      most = Math.max(most, running.size)
      await sleep(30)
      for (const name of names) running.delete(name)
      return { batchItemFailures: [] }
    })
    await send(...Array.from({ length: 40 }, (_, index) => `i${index % 20}`))
    await vi.waitFor(() => expect(isEmpty()).toBe(true), soon)
    expect(doubled).toBe(false)
    expect(most).toBeGreaterThan(1)
  })

  it('delivers a failed message again with its receive count, and no other message', async () => {
    const counts: Record<string, string[]> = {}
    play(async ({ Records }) => {
      for (const record of Records) {
        counts[nameOf(record)] ??= []
        counts[nameOf(record)]?.push(record.attributes.ApproximateReceiveCount)
      }
      const failed = Records.filter(
        record => nameOf(record) === 'bad' && record.attributes.ApproximateReceiveCount === '1',
      )
      return { batchItemFailures: failed.map(({ messageId }) => ({ itemIdentifier: messageId })) }
    })
    await send('good', 'bad')
    await vi.waitFor(() => expect(counts).toEqual({ good: ['1'], bad: ['1', '2'] }), soon)
  })

  it.each([
    ['throws', async () => Promise.reject(new Error('boom'))],
    ['overruns its timeout', () => new Promise<undefined>(() => {})],
    ['names an unknown message', async () => ({ batchItemFailures: [{ itemIdentifier: 'nobody' }] })],
  ])('fails the whole batch of a handler that %s, until it becomes a dead letter', async (_, handler) => {
    play(handler, { timeoutMs: 100 })
    await send('a')
    await vi.waitFor(() => expect(messagesIn('dead-letters.fifo')?.ready).toHaveLength(1), soon)
    expect(log.lines.filter(line => line.message === 'batch failed as a whole')).toHaveLength(3)
  })
})

describe('the end of the event source mapping', () => {
  it('finishes and acknowledges the running batch, and receives no further one', async () => {
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
    let ended = false
    const mapping = play(async () => {
      begin()
      await sleep(200)
      ended = true
      return { batchItemFailures: [] }
    })
    await send('a')
    await begun
    stopping.abort()
    await mapping
    expect(ended).toBe(true)
    expect(isEmpty()).toBe(true)
    await send('b')
    await sleep(100)
    expect(messagesIn('changes.fifo')?.ready).toHaveLength(1)
  })

  it('abandons a handler that does not end within stopMs', async () => {
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
    const mapping = play(
      () => {
        begin()
        return new Promise<undefined>(() => {})
      },
      { stopMs: 100 },
    )
    await send('a')
    await begun
    stopping.abort()
    await mapping
    expect(messagesIn('changes.fifo')?.inflight).toHaveLength(1)
  })
})

describe('the event source mapping without a queue', () => {
  it('logs once that the queue cannot be read, polls with pauses, and logs once that it can be read again', async () => {
    let polls = 0
    let isAway = true
    const receiver = {
      receive: async (signal: AbortSignal) => {
        polls++
        if (isAway) throw new OperatorError('Internal', 'queue changes.fifo could not be reached')
        await sleep(20, undefined, { signal })
        return []
      },
      acknowledge: async () => {},
      close: () => {},
    }
    play(async () => undefined, { receiver, workers: 2 })
    await sleep(700)
    expect(polls).toBeLessThanOrEqual(4)
    isAway = false
    await vi.waitFor(
      () => expect(log.lines.map(line => line.message)).toContain('queue can be read again'),
      soon,
    )
    expect(log.lines.map(line => line.message)).toEqual([
      'queue cannot be read, trying again',
      'queue can be read again',
    ])
  })
})

describe('reconcile and timer over the event source mapping', () => {
  it('repeats a failed pass by a timer, and newer messages of its instance do not wait', async () => {
    const passes: Array<Pass & { startedAt: number }> = []
    const opened = openQueues({ ...queues.urls, clientOptions: queues.clientOptions })
    const reconcile = createReconcile({
      ...opened,
      watches: () => true,
      collectUnused: async () => {},
      collectNamespace: async () => {},
      repairNamespace: async () => {},
      repairPolicy: async () => {},
      takeUpClock: async () => {},
      reconcile: async pass => {
        passes.push({ ...pass, startedAt: Date.now() })
        if (passes.length === 1) throw new OperatorError('Internal', 'no answer')
        return { outcome: { kind: 'settled' }, events: 0 }
      },
      log,
      random: () => 0.2,
    })
    play(reconcile)
    play(createTimer({ ...opened, log }), {
      queueUrl: queues.urls.timersUrl,
      name: 'timer',
    })
    await send('a', 'a')
    await vi.waitFor(() => expect(passes).toHaveLength(3), soon)
    expect(passes.map(({ attempt, causes }) => [attempt, [...causes]])).toEqual([
      [0, ['changed']],
      [0, ['changed']],
      [1, ['retry']],
    ])
    const [first, second, third] = passes.map(pass => pass.startedAt)
    expect((second ?? 0) - (first ?? 0)).toBeLessThan(800)
    expect((third ?? 0) - (first ?? 0)).toBeGreaterThanOrEqual(1_150)
    expect((third ?? 0) - (first ?? 0)).toBeLessThan(4_000)
  })

  it('delivers what is left again after seconds, the newer messages of its instance with it', async () => {
    await queues.server.stop()
    queues = await startQueues(360)
    const opened = openQueues({ ...queues.urls, clientOptions: queues.clientOptions })
    const passes: Pass[] = []
    let refuses = true
    const reconcile = createReconcile({
      ...opened,
      watches: () => true,
      collectUnused: async () => {},
      collectNamespace: async () => {},
      repairNamespace: async () => {},
      repairPolicy: async () => {},
      takeUpClock: async () => {},
      reconcile: async pass => {
        passes.push(pass)
        return { outcome: { kind: 'requeue', afterMs: 60_000, reason: 'NameTaken' }, events: 0 }
      },
      timers: {
        async send(timer, signal) {
          if (refuses) throw new OperatorError('Internal', 'queue timers throttles us')
          await opened.timers.send(timer, signal)
        },
      },
      log,
    })
    play(reconcile)
    await send('a')
    await vi.waitFor(() => expect(passes).toHaveLength(1), soon)
    await opened.changes.send([{ change: change('a', { cause: 'deleted' }), deduplicationId: 'gone' }], never)
    refuses = false
    await vi.waitFor(() => expect(isEmpty()).toBe(true), soon)
    const causes = new Set(passes.slice(1).flatMap(pass => [...pass.causes]))
    expect(causes).toEqual(new Set(['changed', 'retry', 'deleted']))
    expect(messagesIn('dead-letters.fifo')?.ready).toEqual([])
  })
})
