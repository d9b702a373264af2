import type { OutgoingChange } from '../../aws/queue-ports.ts'
import { changeGroupId } from '../../messages.ts'
import { createStartLimit } from './start-limit.ts'

export interface PendingChange {
  /** A newer change with the same subject replaces an older one that is not sent yet. */
  subject: string
  change: OutgoingChange
  /** The change starts work and waits for a place under the start limit. The others go first. */
  startsWork: boolean
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
  take(options: { ignoreStartLimit: boolean }): TakenChanges
  /** The request with these changes has ended. Refused changes are pending again, unless a newer one replaced them. */
  finish(batch: readonly PendingChange[], refused: readonly OutgoingChange[]): void
  /** Forgets what is pending. What is under way stays. */
  clear(): void
  /** Changes that wait for a place under the start limit. */
  readonly waitingToStart: number
  /** All other changes that are not sent yet, with those that are under way. */
  readonly unsent: number
}

export interface TakenChanges {
  /** At most ten. Empty: nothing may be sent now. */
  batch: PendingChange[]
  /** Milliseconds until a change that waits for the start limit may be sent at the latest; undefined: none waits. */
  opensInMs: number | undefined
}

/** SQS takes ten messages in one request. */
const batchSize = 10

/** @param now epoch milliseconds */
export function createSendQueue(now: () => number): SendQueue {
  const priorityQueue = new Map<string, PendingChange>()
  const startQueue = new Map<string, PendingChange>()
  const startLimit = createStartLimit(now)
  const groupsUnderWay = new Set<string>()

  function takeFrom(queue: Map<string, PendingChange>, batch: PendingChange[]): void {
    for (const pending of queue.values()) {
      if (batch.length === batchSize) return
      const group = changeGroupId(pending.change.change)
      if (groupsUnderWay.has(group)) continue
      groupsUnderWay.add(group)
      queue.delete(pending.subject)
      if (pending.startsWork) startLimit.sent(pending.subject)
      batch.push(pending)
    }
  }

  return {
    put(pending) {
      const { subject, startsWork } = pending
      const [to, other] = startsWork ? [startQueue, priorityQueue] : [priorityQueue, startQueue]
      other.delete(subject)
      to.set(subject, pending)
    },
    withdraw(subject) {
      priorityQueue.delete(subject)
      startQueue.delete(subject)
    },
    effectSeen: startLimit.effectSeen,
    take({ ignoreStartLimit }) {
      const batch: PendingChange[] = []
      takeFrom(priorityQueue, batch)
      if (startQueue.size === 0) return { batch, opensInMs: undefined }
      // A request costs the same for one message as for ten, so it waits until a whole batch has places.
      const wanted = Math.min(batchSize, startQueue.size)
      if (!ignoreStartLimit && startLimit.free < wanted) return { batch, opensInMs: startLimit.opensInMs }
      takeFrom(startQueue, batch)
      return { batch, opensInMs: undefined }
    },
    finish(batch, refused) {
      for (const pending of batch) {
        const { subject, change, startsWork } = pending
        groupsUnderWay.delete(changeGroupId(change.change))
        if (!refused.includes(change)) continue
        startLimit.refused(subject)
        if (priorityQueue.has(subject) || startQueue.has(subject)) continue
        const queue = startsWork ? startQueue : priorityQueue
        queue.set(subject, pending)
      }
    },
    clear() {
      priorityQueue.clear()
      startQueue.clear()
      startLimit.clear()
    },
    get waitingToStart() {
      return startQueue.size
    },
    get unsent() {
      return priorityQueue.size + groupsUnderWay.size
    },
  }
}
