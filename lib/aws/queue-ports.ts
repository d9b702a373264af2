import type { ChangeMessage, SweepTurn, TimerMessage } from '../messages.ts'

export interface OutgoingChange {
  change: ChangeMessage
  deduplicationId: string
}

/** The sending side of changes.fifo. */
export interface ChangesQueue {
  /**
   * Sends changes in one request. The caller keeps the changes of a group in order.
   * @param changes at most ten, each of another group
   * @returns the changes that SQS refused
   * @throws OperatorError if the request as a whole failed
   */
  sendBatch(changes: OutgoingChange[], signal: AbortSignal): Promise<OutgoingChange[]>
  /**
   * Sends any number of changes in as few requests as possible. A change that SQS refuses takes the later ones of its
   * group with it, so that none overtakes another.
   * @returns the changes that SQS did not accept, in the order given
   * @throws OperatorError if no change was accepted and a request as a whole failed (queue missing, aborted)
   */
  send(changes: OutgoingChange[], signal: AbortSignal): Promise<OutgoingChange[]>
  /** Whether no message waits and none is being handled. SQS counts what came a moment ago late. @throws OperatorError */
  isEmpty(signal: AbortSignal): Promise<boolean>
}

/** The sending side of timers: a message that makes a key come back to changes.fifo when it is due. */
export interface TimersQueue {
  /** The delay is floored to whole seconds and capped at SQS's 900 s. The timer function waits for the rest or renews it. */
  send(timer: TimerMessage, signal: AbortSignal): Promise<void>
}

/** The queue in which the sweep puts off its next turn. */
export interface SweepsQueue {
  /** @param delaySeconds whole seconds, at most 900 */
  send(turn: SweepTurn, delaySeconds: number, signal: AbortSignal): Promise<void>
}

/** The queue for messages that cannot be read or worked on. */
export interface DeadLetters {
  send(body: string, groupId: string, reason: string, signal: AbortSignal): Promise<void>
}

/** The receiving function's say over messages that it leaves in their queue. */
export interface Redelivery {
  /**
   * Makes received messages visible again after a delay of their own, in place of the queue's visibility timeout.
   * @param messages at most ten
   * @returns the number of messages that SQS refused. They stay hidden for the queue's visibility timeout
   */
  delay(messages: readonly DelayedMessage[], signal: AbortSignal): Promise<number>
}

export interface DelayedMessage {
  receiptHandle: string
  seconds: number
}
