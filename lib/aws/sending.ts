import type { ChangeMessage, TimerMessage } from '../messages.ts'

export interface OutgoingChange {
  change: ChangeMessage
  deduplicationId: string
}

/** changes.fifo, the sending side. */
export interface ChangesQueue {
  /**
   * Sends in batches of ten, in order per group.
   * @returns the changes that SQS did not accept; throws only when none could be tried (queue missing, aborted)
   */
  send(changes: OutgoingChange[], signal: AbortSignal): Promise<OutgoingChange[]>
}

/** timers: "look at this key again then". */
export interface TimersQueue {
  /** The delay is floored to whole seconds and capped at SQS's 900 s; the timer function waits or renews the rest. */
  send(timer: TimerMessage, signal: AbortSignal): Promise<void>
}

/** Where a change goes that nobody can act on. */
export interface DeadLetters {
  send(body: string, groupId: string, reason: string, signal: AbortSignal): Promise<void>
}
