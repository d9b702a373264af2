import { describe, expect, it } from 'vitest'
import { createHandler, type TimerHandlerOptions } from '../../../../functions/timer/handler.ts'
import type { OutgoingChange } from '../../../../lib/aws/queue-ports.ts'
import { OperatorError } from '../../../../lib/errors.ts'
import { type TimerMessage, timerDeduplicationId } from '../../../../lib/messages.ts'
import { lambdaContext } from '../../../../local/lambda/context.ts'
import { keptLog, keptRedelivery, record, sqsEvent } from '../lambda-events.ts'

const trace = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`

function timer(name: string, dueInMs: number): TimerMessage {
  const uid = `uid-${name}`
  const key = { namespace: 'ns', name, uid, cause: 'retry', attempt: 3, waits: 1, trace } as const
  return { v: 1, key, due: new Date(Date.now() + dueInMs).toISOString() }
}

function setUp(options: Partial<TimerHandlerOptions> = {}) {
  const sent: Array<OutgoingChange & { sentAt: number }> = []
  const renewed: TimerMessage[] = []
  const dead: Array<{ body: string; reason: string }> = []
  const redelivery = keptRedelivery()
  const handler = createHandler({
    timersRedelivery: redelivery,
    changes: {
      send: async changes => {
        sent.push(...changes.map(change => ({ ...change, sentAt: Date.now() })))
        return []
      },
    },
    timers: { send: async timer => void renewed.push(timer) },
    deadLetters: { send: async (body, _, reason) => void dead.push({ body, reason }) },
    log: keptLog(),
    ...options,
  })
  let receives = 1
  const run = async (...bodies: unknown[]) => {
    const records = bodies.map((body, index) => record(String(index), body))
    for (const { attributes } of records) attributes.ApproximateReceiveCount = String(receives)
    receives += 1
    const response = await handler(sqsEvent(...records), lambdaContext('timer', 30_000))
    return response.batchItemFailures.map(failure => failure.itemIdentifier)
  }
  return { run, sent, renewed, dead, redelivery }
}

describe('the timer handler', () => {
  it('sends a due timer at once, with everything that it carries and its own deduplication id', async () => {
    const { run, sent } = setUp()
    const due = timer('a', -5_000)
    expect(await run(due)).toEqual([])
    expect(sent).toMatchObject([
      {
        change: {
          v: 1,
          namespace: 'ns',
          name: 'a',
          uid: 'uid-a',
          cause: 'retry',
          attempt: 3,
          waits: 1,
          trace,
        },
        deduplicationId: timerDeduplicationId(due),
      },
    ])
  })

  it('waits for a rest below a second, and is never early', async () => {
    const { run, sent } = setUp()
    const [first, second] = [timer('a', 120), timer('b', 240)]
    expect(await run(second, first)).toEqual([])
    expect(sent.map(each => each.change.name)).toEqual(['a', 'b'])
    for (const [each, due] of [[sent[0], first.due] as const, [sent[1], second.due] as const]) {
      const late = (each?.sentAt ?? 0) - Date.parse(due)
      expect(late).toBeGreaterThanOrEqual(-1)
      // As wide as a hang: a busy machine wakes a timer late.
      expect(late).toBeLessThan(5_000)
    }
  })

  it('sends a timer that is due later again', async () => {
    const { run, sent, renewed } = setUp()
    const far = timer('a', 3_600_000)
    expect(await run(far)).toEqual([])
    expect([sent, renewed]).toEqual([[], [far]])
  })
})

describe('the timer handler, when a message cannot be sent on', () => {
  it('leaves the timers that changes.fifo refused, and no others', async () => {
    const { run, redelivery } = setUp({
      changes: { send: async changes => changes.filter(({ change }) => change.name === 'b') },
    })
    expect(await run(timer('a', 0), timer('b', 0), timer('c', 0))).toEqual(['1'])
    expect(await run(timer('b', 0))).toEqual(['0'])
    expect(redelivery.delayed).toEqual([
      ['handle-1', 2],
      ['handle-0', 4],
    ])
  })

  it('leaves every timer when the queues are away', async () => {
    const away = async () => {
      throw new OperatorError('Internal', 'away')
    }
    const { run, redelivery } = setUp({ changes: { send: away }, timers: { send: away } })
    expect((await run(timer('a', 0), timer('far', 3_600_000))).sort()).toEqual(['0', '1'])
    expect(redelivery.delayed.map(([, seconds]) => seconds)).toEqual([2, 2])
  })

  it('sends an unreadable message to the dead letters', async () => {
    const { run, dead } = setUp()
    expect(await run('{')).toEqual([])
    expect(dead).toEqual([{ body: '{', reason: 'message is not JSON' }])
  })
})
