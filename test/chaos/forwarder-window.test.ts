import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createHandler as createSweepHandler } from '../../functions/sweep/handler.ts'
import { createHandler } from '../../functions/watch-forwarder/handler.ts'
import { annotations } from '../../lib/crd/group.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import { createOwnership } from '../../lib/kubernetes/lease/ownership.ts'
import type { Lease } from '../../lib/kubernetes/lease/record.ts'
import { forwarderSeats, takeSeat } from '../../lib/kubernetes/lease/seat.ts'
import { silentLog } from '../../lib/telemetry/log.ts'
import { version } from '../../lib/version.ts'
import { composeForward } from '../../local/lambda/compose-forward.ts'
import { lambdaContext } from '../../local/lambda/context.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { untilConsistent } from '../support/consistency.ts'
import { type FaultyOperator, startFaultyOperator } from '../support/faulty-operator.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { type Severable, severable } from '../support/severable-client.ts'
import { scheduledEvent } from '../unit/functions/lambda-events.ts'

let operator: FaultyOperator
beforeAll(async () => {
  operator = await startFaultyOperator({ forwarder: false })
  await operator.cluster.create(templateOf(operator.namespace, 'web'), operator.signal)
})
afterAll(() => operator?.stop())

/** A fifth of the deployed times. */
const short = { durationMs: 3_000, renewMs: 1_000, retryMs: 400, warnAfterMs: 2_000 }

const seatOf = (client: KubernetesClient, identity: string) => ({
  ...{ client, identity, namespace: operator.namespace, now: Date.now },
  writer: { ...operator.config.installation, version },
})

/** Counts the calls that a window has under way, with its open watches. */
function counted({ client, changes }: Pick<Severable, 'client' | 'changes'>) {
  let calls = 0
  const count = <T>(call: Promise<T>): Promise<T> => {
    calls += 1
    return call.finally(() => {
      calls -= 1
    })
  }
  async function* countBody(body: AsyncIterable<Uint8Array>) {
    calls += 1
    try {
      yield* body
    } finally {
      calls -= 1
    }
  }
  return {
    underWay: () => calls,
    client: {
      ...client,
      request: (...call) => count(client.request(...call)),
      async stream(...call) {
        const answer = await count(client.stream(...call))
        return { ...answer, body: countBody(answer.body) }
      },
    } satisfies KubernetesClient,
    changes: {
      sendBatch: (...call) => count(changes.sendBatch(...call)),
    } satisfies Severable['changes'],
  }
}

/** A window as the schedule begins one. It ends with the test at the latest. */
function begin(identity: string, { remainingMs = 900_000, leaveMs = 90_000 } = {}) {
  const { clientFor, config, queues, signal } = operator
  const parts = severable({ client: clientFor('watch-forwarder'), changes: queues.changes })
  const { client, changes, underWay } = counted(parts)
  const stopping = new AbortController()
  let lists = 0
  const forward = composeForward({ client, changes, config, log: silentLog }, { leaseTimes: short })
  const handler = createHandler({
    forward(until, onListed) {
      lists += 1
      return forward(until, onListed)
    },
    seat: (work, window, until) =>
      takeSeat(
        { ...seatOf(client, identity), ...window, log: silentLog, times: { ...short, leaveMs } },
        work,
        until,
      ),
    log: silentLog,
    stopping: AbortSignal.any([signal, stopping.signal]),
  })
  let hasEnded = false
  const ended = handler(scheduledEvent('2026-01-01T00:00:00Z'), lambdaContext('watch-forwarder', remainingMs))
  const done = ended.finally(() => {
    hasEnded = true
  })
  return {
    sever: parts.sever,
    underWay,
    ended: done,
    get hasEnded() {
      return hasEnded
    },
    get lists() {
      return lists
    },
    async stop() {
      stopping.abort()
      await done
    },
  }
}

/** A sweep of the function, which begins a window when it finds that nobody leads. */
function sweeping(beginWindow: () => void) {
  const { clientFor, config, namespace, queues, signal } = operator
  const ownership = createOwnership({
    ...{ client: clientFor('sweep'), namespace, writer: config.installation },
    ...{ log: silentLog, now: Date.now, trustMs: 0 },
  })
  const handler = createSweepHandler({
    ...{ sweep: operator.sweep, sweeps: queues.sweeps, ownership, log: silentLog, stopping: signal },
    ...{ intervalSeconds: 60, resyncMinutes: 10 },
    beginWindow: async () => beginWindow(),
  })
  return () => handler(scheduledEvent('2026-01-01T00:01:00Z'), lambdaContext('sweep', 60_000))
}

const seat = async (name: (typeof forwarderSeats)[number]) =>
  operator.cluster.get<Lease>(
    { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', namespace: operator.namespace, name },
    operator.signal,
  )
const untilStandsBy = (name: (typeof forwarderSeats)[number], identity: string) =>
  waitUntil(
    `${identity} to stand by`,
    20_000,
    async () => {
      const { metadata, spec } = (await seat(name)) ?? {}
      return spec?.holderIdentity === identity && metadata?.annotations?.[annotations.standsBy] === 'true'
    },
    operator.signal,
  )

describe('windows that the schedule begins', () => {
  const [a, b] = forwarderSeats

  test('are two, with a successor for each before it ends, and one after both have died', async () => {
    const create = async (name: string, team: number) => {
      await operator.cluster.create(instanceOf(operator.namespace, name, 'web', team), operator.signal)
      await untilConsistent(operator, name, 'Ready')
    }
    // It gives its seat up after four seconds, and would work on until the 45th.
    const first = begin('first', { remainingMs: 60_000, leaveMs: 56_000 })
    await untilStandsBy(a, 'first')
    const second = begin('second')
    await untilStandsBy(b, 'second')
    const surplus = begin('surplus')
    await surplus.ended
    expect(surplus.lists).toBe(0)

    const isGivenUp = async () => (await seat(a))?.spec?.holderIdentity === ''
    await waitUntil('the first seat', 20_000, isGivenUp, operator.signal)
    expect(first.hasEnded).toBe(false)
    const third = begin('third')
    await first.ended
    // The sandbox is frozen now. What still ran would go on in the next invocation.
    expect(first.underWay()).toBe(0)
    expect((await seat(a))?.metadata.annotations).toMatchObject({ [annotations.standsBy]: 'true' })
    await create('handed-over', 2)

    second.sever()
    third.sever()
    const successors: ReturnType<typeof begin>[] = []
    const sweep = sweeping(() => successors.push(begin(`next-${successors.length}`)))
    await sweep()
    expect(successors).toEqual([])
    const isSeated = async () => {
      await sweep()
      await Promise.race([successors.at(-1)?.ended, sleep(1_500)])
      return successors.at(-1)?.hasEnded === false
    }
    await waitUntil('a window after both have died', 30_000, isSeated, operator.signal)
    await create('after-both', 3)
    await Promise.all([second, third, ...successors].map(each => each.stop()))
  }, 120_000)
})
