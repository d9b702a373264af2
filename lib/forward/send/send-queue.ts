import type { OutgoingChange } from '../../aws/queue-ports.ts'
import { changeGroupId } from '../../messages.ts'
import { createSendLimit } from './send-limit.ts'

/**
 * Which changes go first. `first`: the change ends work that was started, or a user waits for it. `start`: it starts work.
 * `last`: it only corrects what a status says of an instance that serves, and thousands may come at once.
 */
export type Urgency = 'first' | 'start' | 'last'

export interface PendingChange {
  /** A newer change with the same subject replaces an older one that is not sent yet. */
  subject: string
  change: OutgoingChange
  urgency: Urgency
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
  /** Changes that wait for a place under a limit. */
  readonly waiting: number
  /** All other changes that are not sent yet, with those that are under way. */
  readonly unsent: number
}

export interface TakenChanges {
  /** At most ten. Empty: nothing may be sent now. */
  batch: PendingChange[]
  /** Milliseconds until a change that waits for a limit may be sent at the latest; undefined: none waits. */
  opensInMs: number | undefined
}

/** SQS takes ten messages in one request. */
const batchSize = 10

/** Twenty functions with ten messages each: the queue hands out that many at once. */
const startPlaces = 200

/** Two requests. A tenth of the functions is busy with such changes, and what comes meanwhile waits behind few of them. */
const lastPlaces = 20

/** @param now epoch milliseconds */
export function createSendQueue(now: () => number): SendQueue {
  const queues = { first: createQueue(), start: createQueue(), last: createQueue() }
  const limits = { start: createSendLimit(startPlaces, now), last: createSendLimit(lastPlaces, now) }
  const all = Object.values(queues)
  const groupsUnderWay = new Set<string>()

  function takeFrom(urgency: Urgency, batch: PendingChange[]): void {
    for (const pending of queues[urgency].values()) {
      if (batch.length === batchSize) return
      const group = changeGroupId(pending.change.change)
      if (groupsUnderWay.has(group)) continue
      groupsUnderWay.add(group)
      queues[urgency].delete(pending.subject)
      if (urgency !== 'first') limits[urgency].sent(pending.subject)
      batch.push(pending)
    }
  }

  return {
    put(pending) {
      for (const queue of all) if (queue !== queues[pending.urgency]) queue.delete(pending.subject)
      queues[pending.urgency].set(pending.subject, pending)
    },
    withdraw(subject) {
      for (const queue of all) queue.delete(subject)
    },
    effectSeen(subject) {
      limits.start.effectSeen(subject)
      limits.last.effectSeen(subject)
    },
    take({ ignoreLimits }) {
      const batch: PendingChange[] = []
      takeFrom('first', batch)
      for (const urgency of ['start', 'last'] as const) {
        // A request costs the same for one message as for ten, so it waits until a whole batch has places.
        const wanted = Math.min(batchSize, queues[urgency].size)
        const { free, opensInMs } = limits[urgency]
        if (!ignoreLimits && free < wanted) return { batch, opensInMs }
        takeFrom(urgency, batch)
        // What starts goes before what only corrects a status, also where both have places.
        if (batch.length === batchSize) break
      }
      return { batch, opensInMs: undefined }
    },
    finish(batch, refused) {
      for (const pending of batch) {
        const { subject, change, urgency } = pending
        groupsUnderWay.delete(changeGroupId(change.change))
        if (!refused.includes(change)) continue
        if (urgency !== 'first') limits[urgency].refused(subject)
        if (!all.some(queue => queue.has(subject))) queues[urgency].set(subject, pending)
      }
    },
    clear() {
      for (const queue of all) queue.clear()
      limits.start.clear()
      limits.last.clear()
    },
    get waiting() {
      return queues.start.size + queues.last.size
    },
    get unsent() {
      return queues.first.size + groupsUnderWay.size
    },
  }
}

function createQueue(): Map<string, PendingChange> {
  return new Map()
}
