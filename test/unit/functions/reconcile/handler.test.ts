import { setTimeout as sleep } from 'node:timers/promises'
import type { SQSEvent, SQSRecord } from 'aws-lambda'
import { describe, expect, it } from 'vitest'
import { createHandler, type ReconcileHandlerOptions } from '../../../../functions/reconcile/handler.ts'
import { createHandler as createTimerHandler } from '../../../../functions/timer/handler.ts'
import { OperatorError } from '../../../../lib/errors.ts'
import type { ChangeMessage, TimerMessage } from '../../../../lib/messages.ts'
import type { Outcome, Pass } from '../../../../lib/reconcile/pass/outcome.ts'
import { currentScope } from '../../../../lib/telemetry/scope.ts'
import { traceIdOf } from '../../../../lib/telemetry/traceparent.ts'
import { lambdaContext } from '../../../../local/lambda/context.ts'
import { keptMetrics } from '../../../support/kept-metrics.ts'
import { change, changeRecord, keptLog, keptRedelivery, record, sqsEvent } from '../lambda-events.ts'

const settled: Outcome = { kind: 'settled' }

/** The handler over ports that remember. */
function setUp(options: Partial<ReconcileHandlerOptions> = {}) {
  const passes: Pass[] = []
  const timers: TimerMessage[] = []
  const dead: Array<{ body: string; groupId: string; reason: string }> = []
  const published: number[] = []
  const log = keptLog()
  const reconcile = options.reconcile ?? (async () => ({ outcome: settled, events: 0 }))
  const redelivery = keptRedelivery()
  const handler = createHandler({
    changesRedelivery: redelivery,
    timers: { send: async timer => void timers.push(timer) },
    deadLetters: { send: async (body, groupId, reason) => void dead.push({ body, groupId, reason }) },
    publish: async ({ limit }) => void published.push(limit),
    log,
    clock: () => Date.parse('2026-01-01T00:00:00Z'),
    random: () => 0,
    watches: () => true,
    collectUnused: async () => {},
    collectNamespace: async () => {},
    repairNamespace: async () => {},
    repairPolicy: async () => {},
    takeUpClock: async () => {},
    ...options,
    reconcile: (pass, signal) => {
      passes.push(pass)
      return reconcile(pass, signal)
    },
  })
  const run = async (event: SQSEvent, timeoutMs = 60_000) => {
    const response = await handler(event, lambdaContext('reconcile', timeoutMs))
    return response.batchItemFailures.map(failure => failure.itemIdentifier)
  }
  return { run, passes, timers, dead, published, log, redelivery }
}

function receivedTimes(times: number, of: SQSRecord): SQSRecord {
  return { ...of, attributes: { ...of.attributes, ApproximateReceiveCount: String(times) } }
}

describe('a cluster of another installation', () => {
  it('gets no pass and no work on what instances share, and the messages are acknowledged without a timer', async () => {
    const asked: (string | undefined)[] = []
    const shared: string[] = []
    const { run, passes, timers } = setUp({
      owns: async sentAt => {
        asked.push(sentAt)
        return false
      },
      collectUnused: async ({ name }) => void shared.push(name),
    })
    const revision = change('revision', { kind: 'Revision', cause: 'orphan' })
    const led = change('one', { clock: '7' })
    const records = [changeRecord('1', led), changeRecord('2', change('two')), changeRecord('3', revision)]
    expect(await run(sqsEvent(...records))).toEqual([])
    expect([passes, timers, shared]).toEqual([[], [], []])
    // A forwarder stamps its messages with the version of the organiser's clock.
    expect(asked.toSorted()).toEqual([led.at, undefined, undefined])
  })

  it('is looked at again by a timer if it cannot be read', async () => {
    const { run, passes, timers } = setUp({
      owns: async () => {
        throw new OperatorError('ClusterUnavailable', 'away')
      },
    })
    expect(await run(sqsEvent(changeRecord('1', change('one'))))).toEqual([])
    expect(passes).toEqual([])
    expect(timers).toHaveLength(1)
  })
})

describe('a batch', () => {
  it('unites the messages of one instance in one pass', async () => {
    const { run, passes } = setUp()
    const end = { at: 9, createdAt: 5, template: 'web', revision: 'web.1', event: 1, team: 0 }
    const failures = await run(
      sqsEvent(
        changeRecord(
          '1',
          change('a', {
            cause: 'pod',
            pod: 'old',
            attempt: 2,
            trace: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
          }),
        ),
        changeRecord('2', change('b')),
        changeRecord(
          '3',
          change('a', {
            uid: 'successor',
            cause: 'changed',
            workloadNamespace: 'ctf-event-1',
            waits: 3,
            resourceVersion: '7',
            held: { notReady: 2, of: 9 },
            end,
          }),
        ),
        changeRecord(
          '4',
          change('a', { cause: 'pod', pod: 'new', resourceVersion: '', at: '2026-01-01T00:00:09.000Z' }),
        ),
      ),
    )
    expect(failures).toEqual([])
    expect(passes).toHaveLength(2)
    expect(passes.find(pass => pass.name === 'a')).toEqual({
      namespace: 'ns',
      name: 'a',
      uids: ['uid-a', 'successor'],
      causes: new Set(['pod', 'changed']),
      pod: 'new',
      workloadNamespaces: ['ctf-event-1'],
      held: { notReady: 2, of: 9 },
      seenEnd: { ...end, uid: 'successor', resourceVersion: '7' },
      attempt: 2,
      waits: 3,
      trace: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      at: '2026-01-01T00:00:00.000Z',
      resourceVersion: '7',
    })
  })

  it('treats a redelivered message as a retry', async () => {
    const { run, passes } = setUp()
    const again = receivedTimes(2, changeRecord('1', change('a', { cause: 'pod' })))
    await run(sqsEvent(again, changeRecord('2', change('b', { cause: 'pod' }))))
    expect(passes.map(({ name, causes }) => [name, [...causes]])).toEqual([
      ['a', ['pod', 'retry']],
      ['b', ['pod']],
    ])
  })

  it('acknowledges messages for a namespace that is not watched without a pass, a log line and a metric each', async () => {
    const { metrics, valuesOf } = keptMetrics()
    const { run, passes, timers, dead, log } = setUp({ watches: namespace => namespace === 'ns', metrics })
    const elsewhere = { namespace: 'elsewhere' }
    const batch = sqsEvent(
      changeRecord('1', change('a', elsewhere)),
      changeRecord('2', change('a', { ...elsewhere, cause: 'orphan' })),
      changeRecord('3', change('b')),
    )
    expect(await run(batch)).toEqual([])
    expect(passes.map(({ name }) => name)).toEqual(['b'])
    expect([timers, dead]).toEqual([[], []])
    expect(log.lines.filter(({ level }) => level === 'warn')).toMatchObject([
      { message: 'message for a namespace that is not watched', fields: { ...elsewhere, name: 'a' } },
    ])
    expect(valuesOf('UnwatchedMessages')).toEqual([2])
  })

  it('measures each pass, its calls and how old its message is', async () => {
    const { metrics, kept, valuesOf } = keptMetrics()
    const { run, log } = setUp({
      metrics,
      reconcile: async ({ name }) => {
        for (const call of ['GET', 'PATCH'].slice(0, name === 'a' ? 2 : 1)) {
          await Promise.resolve(call)
          const scope = currentScope()
          if (scope) scope.calls += 1
        }
        return { outcome: settled, events: 0, ...(name === 'a' && { readyAfterMs: 2_500 }) }
      },
    })
    const sent = changeRecord('1', change('a', { at: '2025-12-31T23:59:58Z' }))
    const record = { ...sent, attributes: { ...sent.attributes, SentTimestamp: '1767225599000' } }
    await run(sqsEvent(record, changeRecord('2', change('b'))))
    expect(kept.filter(({ name }) => name === 'Passes')).toEqual(
      Array(2).fill({ name: 'Passes', value: 1, dimensions: { outcome: 'settled' } }),
    )
    // The passes run side by side, and each counts its own calls.
    expect(valuesOf('PassApiCalls').toSorted()).toEqual([1, 2])
    expect(valuesOf('MessageToPassLag')).toContain(2_000)
    expect(valuesOf('QueueAge')).toContain(1_000)
    expect(valuesOf('CreateToReady')).toEqual([2_500])
    expect(log.lines.find(({ fields }) => (fields as { name?: string }).name === 'a')).toMatchObject({
      fields: { calls: 2 },
    })
  })

  it('runs groups side by side, and the instances of one group one after the other', async () => {
    const running = new Set<string>()
    const seen: string[][] = []
    const { run } = setUp({
      reconcile: async pass => {
        running.add(pass.name)
        seen.push([...running].sort())
        await sleep(20)
        running.delete(pass.name)
        return { outcome: settled, events: 0 }
      },
    })
    await run(
      sqsEvent(
        record('1', change('a'), 'shared'),
        record('2', change('b'), 'shared'),
        record('3', change('c'), 'own'),
      ),
    )
    expect(seen.some(names => names.includes('a') && names.includes('c'))).toBe(true)
    expect(seen.some(names => names.includes('a') && names.includes('b'))).toBe(false)
  })
})

describe('the reconcile function', () => {
  it('only acknowledges a settled pass', async () => {
    const { run, timers, dead, published } = setUp()
    expect(await run(sqsEvent(changeRecord('1', change('a'))))).toEqual([])
    expect([timers, dead, published]).toEqual([[], [], []])
  })

  it('acknowledges a failed pass and comes back by a timer with one more attempt', async () => {
    const error = new OperatorError('Internal', 'the API server answered 500')
    const { run, timers } = setUp({
      reconcile: async () => ({ outcome: { kind: 'retry', error, exhausted: false }, events: 0 }),
    })
    expect(await run(sqsEvent(changeRecord('1', change('a', { attempt: 1 }))))).toEqual([])
    expect(timers).toMatchObject([{ key: { name: 'a', attempt: 2 }, due: '2026-01-01T00:00:02.000Z' }])
  })

  it('retries a pass that throws', async () => {
    const { run, timers } = setUp({
      reconcile: async () => {
        throw new TypeError('undefined is not a function')
      },
    })
    expect(await run(sqsEvent(changeRecord('1', change('a'))))).toEqual([])
    expect(timers).toMatchObject([{ key: { name: 'a', attempt: 1 } }])
  })

  it('waits for an upgrade of an outdated schema, without a limit and without a pass', async () => {
    const { run, timers, dead, log } = setUp({
      ready: async () => {
        throw new OperatorError('SchemaOutdated', 'run challenge-operator crds')
      },
      reconcile: async () => {
        throw new Error('must not be called')
      },
    })
    expect(await run(sqsEvent(changeRecord('1', change('a', { attempt: 7, waits: 2 }))))).toEqual([])
    expect(timers).toMatchObject([{ key: { cause: 'retry', attempt: 0, waits: 3 } }])
    expect(dead).toEqual([])
    expect(log.lines[0]).toMatchObject({
      level: 'warn',
      message: 'pass not reported',
      fields: { error: { reason: 'SchemaOutdated', message: 'run challenge-operator crds' } },
    })
  })

  it('sends the newest message of the eighth failure to the dead letters, and nowhere else', async () => {
    const { run, timers, dead } = setUp({
      reconcile: async () => {
        throw new OperatorError('Internal', 'a webhook answered with garbage')
      },
    })
    const newest = change('a', { cause: 'manual' })
    const batch = sqsEvent(changeRecord('1', change('a', { attempt: 7 })), changeRecord('2', newest))
    expect(await run(batch)).toEqual([])
    expect(timers).toEqual([])
    expect(dead).toEqual([
      {
        body: JSON.stringify(newest),
        groupId: 'ns/a',
        reason: 'Internal: a webhook answered with garbage',
      },
    ])
  })

  it('leaves the messages of a timer that cannot be sent, and the later ones of the group only', async () => {
    const { run, passes, redelivery } = setUp({
      reconcile: async pass => ({
        outcome: pass.name === 'b' ? { kind: 'requeue', afterMs: 1, reason: 'Paused' } : settled,
        events: 0,
      }),
      timers: {
        send: async () => {
          throw new OperatorError('Internal', 'queue timers could not be reached')
        },
      },
    })
    const failures = await run(
      sqsEvent(
        record('1', change('a'), 'shared'),
        receivedTimes(3, record('2', change('b'), 'shared')),
        record('3', change('other'), 'own'),
        record('4', change('c'), 'shared'),
        record('5', change('a'), 'shared'),
      ),
    )
    expect(failures).toEqual(['2', '4', '5'])
    // All at the same time, so that they stay in order.
    expect(redelivery.delayed).toEqual([
      ['handle-2', 8],
      ['handle-4', 8],
      ['handle-5', 8],
    ])
    expect(passes.map(pass => pass.name).sort()).toEqual(['a', 'b', 'other'])
  })

  it('publishes the events of all passes once, and fails nothing while the bus is away', async () => {
    const reconcile = async () => ({ outcome: settled, events: 2 })
    const batch = sqsEvent(changeRecord('1', change('a')), changeRecord('2', change('b')))
    const well = setUp({ reconcile })
    expect(await well.run(batch)).toEqual([])
    expect(well.published).toEqual([4])
    const away = setUp({
      reconcile,
      publish: async () => {
        throw new OperatorError('Internal', 'bus away')
      },
    })
    expect(await away.run(batch)).toEqual([])
  })
})

describe.each([
  ['a revision of a template', { kind: 'Revision', cause: 'orphan' }, 'collectUnused'],
  ['an unused policy', { kind: 'Policy', cause: 'orphan' }, 'collectUnused'],
  ['an unused copy of a certificate', { kind: 'Certificate', cause: 'orphan' }, 'collectUnused'],
  ['the unused namespace of an event', { kind: 'Namespace', cause: 'orphan' }, 'collectNamespace'],
  ['an event with another quota', { kind: 'Namespace', cause: 'drift' }, 'repairNamespace'],
  [
    'a wrong policy',
    { kind: 'Policy', cause: 'drift', neededBy: { namespace: 'ns', name: 'a' } },
    'repairPolicy',
  ],
] as const)('a message about %s', (_, parts, handler) => {
  const shared = change('web.1a2b3c4d-1-h', parts)

  it('is handled in a message group of its own, without a pass', async () => {
    const handled: unknown[] = []
    const { run, passes } = setUp({ [handler]: async (each: unknown) => void handled.push(each) })
    const message = changeRecord('1', shared)
    expect(message.attributes.MessageGroupId).toBe(`${parts.kind}/ns/web.1a2b3c4d-1-h`)
    expect(await run(sqsEvent(message, changeRecord('2', change('a'))))).toEqual([])
    expect(handled).toEqual([shared])
    expect(passes.map(pass => pass.name)).toEqual(['a'])
  })

  it('is acknowledged if it cannot be handled, since its sender finds the object again', async () => {
    const failing = () => Promise.reject(new OperatorError('Forbidden', 'no right'))
    const { run, timers, dead, log } = setUp({ [handler]: failing })
    expect(await run(sqsEvent(changeRecord('1', shared)))).toEqual([])
    expect([timers, dead]).toEqual([[], []])
    expect(log.lines.map(line => line.message)).toContain('shared object not handled')
  })
})

describe('a message about an object of another operator', () => {
  it.each([
    ['a revision in a namespace that is not watched', { kind: 'Revision', cause: 'orphan' }],
    [
      'a policy that an instance there needs',
      { kind: 'Policy', cause: 'drift', neededBy: { namespace: 'elsewhere', name: 'a' } },
    ],
  ] as const)('is acknowledged: %s', async (_, parts) => {
    const handled: unknown[] = []
    const note = async (each: unknown) => void handled.push(each)
    const watches = (namespace: string) => parts.kind === 'Policy' && namespace === 'ns'
    const { run } = setUp({ collectUnused: note, repairPolicy: note, watches })
    expect(await run(sqsEvent(changeRecord('1', change('x', parts))))).toEqual([])
    expect(handled).toEqual([])
  })
})

describe('a message that cannot be read', () => {
  it.each([
    ['not JSON', '{', 'message is not JSON'],
    ['newer', { ...change('a'), v: 2 }, 'message has version 2, this operator reads version 1'],
    ['without a name', { ...change('a'), name: '' }, 'message has no "name"'],
  ])('goes to the dead letters with its reason, past the others: %s', async (_, body, reason) => {
    const { run, passes, dead } = setUp()
    const poison = record('1', body, 'ns/a')
    expect(await run(sqsEvent(poison, changeRecord('2', change('a'))))).toEqual([])
    expect(dead).toEqual([{ body: poison.body, groupId: 'ns/a', reason }])
    expect(passes).toHaveLength(1)
  })

  it('stays, with the later ones of its group, while the dead letters cannot be reached', async () => {
    const { run, passes } = setUp({
      deadLetters: {
        send: async () => {
          throw new OperatorError('Internal', 'away')
        },
      },
    })
    const batch = sqsEvent(
      record('1', '{', 'ns/a'),
      changeRecord('2', change('a')),
      changeRecord('3', change('b')),
    )
    expect(await run(batch)).toEqual(['1', '2'])
    expect(passes.map(pass => pass.name)).toEqual(['b'])
  })

  it('stays for the visibility timeout, with a line in the log, if the queue does not answer either', async () => {
    const away = async () => {
      throw new OperatorError('Internal', 'away')
    }
    const { run, log } = setUp({ deadLetters: { send: away }, changesRedelivery: { delay: away } })
    expect(await run(sqsEvent(record('1', '{', 'ns/a')))).toEqual(['1'])
    expect(log.lines.at(-1)).toMatchObject({
      level: 'warn',
      message: 'messages stay hidden for the visibility timeout',
    })
  })
})

describe('the deadline', () => {
  it('makes a retry of a pass that stops at the signal, and leaves the others of the batch alone', async () => {
    const { run, timers } = setUp({
      reconcile: async (pass, signal) => {
        if (pass.name === 'slow') await sleep(60_000, undefined, { signal })
        return { outcome: settled, events: 0 }
      },
    })
    const batch = sqsEvent(changeRecord('1', change('slow')), changeRecord('2', change('fast')))
    expect(await run(batch, 8_100)).toEqual([])
    expect(timers).toMatchObject([{ key: { name: 'slow', attempt: 1 } }])
  })

  it('leaves the steps of a group that it has not begun, for redelivery after 2 s', async () => {
    const { run, passes, timers, redelivery } = setUp({
      reconcile: async (pass, signal) => {
        if (pass.name === 'slow') await sleep(60_000, undefined, { signal })
        return { outcome: settled, events: 0 }
      },
    })
    const batch = sqsEvent(
      record('1', change('slow'), 'shared'),
      record('2', change('b'), 'shared'),
      record('3', change('c'), 'shared'),
    )
    expect(await run(batch, 8_100)).toEqual(['2', '3'])
    expect(passes.map(pass => pass.name)).toEqual(['slow'])
    expect(timers).toHaveLength(1)
    expect(redelivery.delayed).toEqual([
      ['handle-2', 2],
      ['handle-3', 2],
    ])
  })

  it('abandons a pass that ignores the abort signal', async () => {
    const { run, timers } = setUp({ reconcile: () => new Promise(() => {}) })
    expect(await run(sqsEvent(changeRecord('1', change('deaf'))), 8_050)).toEqual([])
    expect(timers).toMatchObject([{ key: { name: 'deaf', attempt: 1 } }])
  })
})

describe('the line of a pass', () => {
  it('has key, uid, pass, outcome, reason, duration, and the origin of the message', async () => {
    const { run, log } = setUp({
      reconcile: async () => ({
        outcome: { kind: 'stalled', reason: 'TemplateMissing', message: 'no template web' },
        events: 1,
      }),
    })
    await run(
      sqsEvent(
        changeRecord('1', change('a', { trace: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' })),
      ),
    )
    expect(log.lines).toMatchObject([
      {
        level: 'info',
        message: 'pass ended',
        fields: {
          namespace: 'ns',
          name: 'a',
          outcome: 'stalled',
          reason: 'TemplateMissing',
          why: 'no template web',
          milliseconds: 0,
          at: '2026-01-01T00:00:00.000Z',
          resourceVersion: '1',
          uid: 'uid-a',
          pass: expect.stringMatching(/^[0-9a-f]{16}$/),
          trace: '0af7651916cd43dd8448eb211c80319c',
        },
      },
    ])
  })

  it('has the trace of the first change after a failed pass and a timer that was sent twice', async () => {
    const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const error = new OperatorError('Internal', 'the API server answered 500')
    const first = setUp({
      reconcile: async () => ({ outcome: { kind: 'retry', error, exhausted: false }, events: 0 }),
    })
    await first.run(sqsEvent(changeRecord('1', change('a', { trace }))))

    const renewed: TimerMessage[] = []
    const changes: ChangeMessage[] = []
    const due = Date.parse(first.timers[0]?.due ?? '')
    const fireAt = (now: number, timer: TimerMessage | undefined) =>
      createTimerHandler({
        changes: {
          send: async sent => {
            changes.push(...sent.map(each => each.change))
            return []
          },
        },
        timers: { send: async sent => void renewed.push(sent) },
        deadLetters: { send: async () => {} },
        timersRedelivery: keptRedelivery(),
        log: keptLog(),
        clock: () => now,
      })(sqsEvent(record('1', timer)), lambdaContext('timer', 30_000))
    await fireAt(due - 60_000, first.timers[0])
    await fireAt(due, renewed[0])

    const second = setUp()
    await second.run(sqsEvent(...changes.map((each, index) => changeRecord(String(index), each))))
    expect(second.log.lines).toMatchObject([
      { message: 'pass ended', fields: { attempt: 1, trace: traceIdOf(trace) } },
    ])
  })

  it('has the level debug for a pass without changes', async () => {
    const { run, log } = setUp()
    await run(sqsEvent(changeRecord('1', change('a'))))
    expect(log.lines.map(line => line.level)).toEqual(['debug'])
  })
})
