import type { OutgoingChange } from '../../aws/queue-ports.ts'
import { changeGroupId } from '../../messages.ts'
import { createPendingChanges } from './pending-changes.ts'
import { adaptivePlaces, fixedPlaces } from './places.ts'
import { createSendLimit } from './send-limit.ts'

/**
 * Which changes go first. `end`: the time of an instance is over, and is promised within a second. `first`: the change ends
 * work that was started, or a user waits for it. `start`: it starts work. `teardown`: it starts the teardown of a deleted
 * instance. `last`: it only corrects what a status says of an instance that serves, and thousands may come at once.
 */
export type Urgency = 'end' | 'first' | 'start' | 'teardown' | 'last'

export interface PendingChange {
  /** A newer change with the same subject replaces an older one that is not sent yet. */
  subject: string
  change: OutgoingChange
  urgency: Urgency
  /** When an end was due, in epoch milliseconds. The soonest end goes first. */
  dueAt?: number | undefined
}

/**
 * The changes that are to be sent, as a synchronous value. It decides what goes next; `createSender` is the loop that
 * sends it. Changes of one group are never under way at the same time, so they arrive in order.
 */
export interface SendQueue {
  put(pending: PendingChange): void
  withdraw(subject: string): void
  /** The effect of a sent change was seen. */
  effectSeen(subject: string): void
  /** Takes the next changes. Their groups are under way until `finish`. */
  take(options: { ignoreLimits: boolean }): TakenChanges
  /** The request with these changes has ended. Refused changes are pending again, unless a newer one replaced them. */
  finish(batch: readonly PendingChange[], refused: readonly OutgoingChange[]): void
  /** Forgets what is pending. What is under way stays. */
  clear(): void
  /** Changes that wait for a place under a limit, or for the ends to be over. */
  readonly waiting: number
  /** All other changes that are not sent yet, with those that are under way. */
  readonly unsent: number
}

export interface TakenChanges {
  /** At most ten. Empty: nothing may be sent now. */
  batch: PendingChange[]
  /** Milliseconds until a change that waits may be sent at the latest; undefined: none waits. */
  opensInMs: number | undefined
}

/** SQS takes ten messages in one request. */
const batchSize = 10

/**
 * How long ends may wait for others to fill their request, in milliseconds, where one was sent just before. A request to the
 * queue, and the batch that arrives, cost as much for one message as for ten.
 */
const gatherMs = 25

/** Twenty functions with ten messages each: the queue hands out that many at once. */
const startPlaces = 200

/** Two requests. A tenth of the functions is busy with such changes, and what comes meanwhile waits behind few of them. */
const lastPlaces = 20

/**
 * How long what starts work, and the start of a teardown, wait for ends, in milliseconds. A thousand ends at once take half of
 * it on two cores. Where more come without a pause, or the cluster refuses them, the others go between them.
 */
const longestHoldMs = 20_000

/** The order in which changes are taken. */
const urgencies = ['end', 'first', 'start', 'teardown', 'last'] as const satisfies readonly Urgency[]

/** @param now epoch milliseconds */
export function createSendQueue(now: () => number): SendQueue {
  const queues = {
    end: createPendingChanges<PendingChange>(now),
    first: createPendingChanges<PendingChange>(now),
    start: createPendingChanges<PendingChange>(now),
    teardown: createPendingChanges<PendingChange>(now),
    last: createPendingChanges<PendingChange>(now),
  }
  const ends = createSendLimit(adaptivePlaces(), now)
  const starts = createSendLimit(fixedPlaces(startPlaces), now)
  const limits = {
    end: ends,
    first: undefined,
    start: starts,
    teardown: starts,
    last: createSendLimit(fixedPlaces(lastPlaces), now),
  }
  const all = Object.values(queues)
  let endsSentAt = Number.NEGATIVE_INFINITY
  const groupsUnderWay = new Set<string>()

  /** @param heldSince only the changes that wait since then or for longer */
  function takeFrom(urgency: Urgency, batch: PendingChange[], heldSince = Number.POSITIVE_INFINITY): void {
    for (const { pending, since } of queues[urgency].inOrder()) {
      if (batch.length === batchSize || since > heldSince) return
      const group = changeGroupId(pending.change.change)
      if (groupsUnderWay.has(group)) continue
      groupsUnderWay.add(group)
      queues[urgency].delete(pending.subject)
      limits[urgency]?.sent(pending.subject)
      batch.push(pending)
    }
  }

  /** Deletion marks come before teardowns, which take many more calls each. */
  function holdsTeardowns(): boolean {
    return queues.end.size > 0 || ends.taken > 0
  }

  /** @returns milliseconds until the first of the changes that wait may go at the latest; undefined: none waits */
  function takeTeardowns(batch: PendingChange[]): number | undefined {
    if (!holdsTeardowns()) {
      takeFrom('teardown', batch)
      return undefined
    }
    takeFrom('teardown', batch, now() - longestHoldMs)
    const { oldest } = queues.teardown
    return oldest === undefined ? undefined : Math.max(0, oldest + longestHoldMs - now())
  }

  /**
   * Takes an end at once after a pause; of many that come due one after the other, ten together.
   * @returns milliseconds until those that are gathered go
   */
  function takeEnds(batch: PendingChange[]): number | undefined {
    const { size } = queues.end
    const leftMs = endsSentAt + gatherMs - now()
    // More is left only if the clock was set back.
    if (size > 0 && size < batchSize && leftMs > 0 && leftMs <= gatherMs) return leftMs
    takeFrom('end', batch)
    if (batch.length > 0) endsSentAt = now()
    return undefined
  }

  /** What a user waits for passes ends that wait for a place. What starts work, or a teardown, does after `longestHoldMs`. */
  function takePastEnds(batch: PendingChange[]): void {
    takeFrom('first', batch)
    for (const urgency of ['start', 'teardown'] as const)
      if (starts.free >= batchSize) takeFrom(urgency, batch, now() - longestHoldMs)
  }

  function take(urgency: Urgency, batch: PendingChange[]): number | undefined {
    if (urgency === 'end') return takeEnds(batch)
    if (urgency === 'teardown') return takeTeardowns(batch)
    takeFrom(urgency, batch)
    return undefined
  }

  function takeWithinLimits(batch: PendingChange[]): number | undefined {
    let opensInMs: number | undefined
    for (const urgency of urgencies) {
      // A request costs the same for one message as for ten, so it waits until a whole batch has places.
      const wanted = Math.min(batchSize, queues[urgency].size)
      const limit = limits[urgency]
      if (limit !== undefined && limit.free < wanted) {
        if (urgency === 'end') takePastEnds(batch)
        return Math.min(limit.opensInMs, opensInMs ?? Infinity)
      }
      const waitMs = take(urgency, batch)
      if (waitMs !== undefined) opensInMs = Math.min(waitMs, opensInMs ?? Infinity)
      // What starts goes before what only corrects a status, also where both have places.
      if (batch.length === batchSize) break
    }
    return opensInMs
  }

  return {
    put(pending) {
      for (const queue of all) if (queue !== queues[pending.urgency]) queue.delete(pending.subject)
      queues[pending.urgency].set(pending)
    },
    withdraw(subject) {
      for (const queue of all) queue.delete(subject)
    },
    effectSeen(subject) {
      ends.effectSeen(subject)
      starts.effectSeen(subject)
      limits.last.effectSeen(subject)
    },
    take({ ignoreLimits }) {
      const batch: PendingChange[] = []
      if (!ignoreLimits) return { batch, opensInMs: takeWithinLimits(batch) }
      for (const urgency of urgencies) takeFrom(urgency, batch)
      return { batch, opensInMs: undefined }
    },
    finish(batch, refused) {
      for (const pending of batch) {
        const { subject, change, urgency } = pending
        groupsUnderWay.delete(changeGroupId(change.change))
        if (!refused.includes(change)) continue
        limits[urgency]?.refused(subject)
        if (!all.some(queue => queue.has(subject))) queues[urgency].set(pending)
      }
    },
    clear() {
      for (const queue of all) queue.clear()
      starts.clear()
      limits.last.clear()
      ends.clear()
    },
    get waiting() {
      return queues.end.size + queues.start.size + queues.teardown.size + queues.last.size
    },
    get unsent() {
      return queues.first.size + groupsUnderWay.size
    },
  }
}
