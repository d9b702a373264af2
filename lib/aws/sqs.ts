import type { ChangeMessage, TimerMessage } from '../messages.ts'
import { openChanges } from './sqs-changes.ts'
import { openSqsClient, type SqsClientOptions } from './sqs-client.ts'
import { openDeadLetters } from './sqs-dead-letters.ts'
import { openTimers } from './sqs-timers.ts'

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

export interface QueuesOptions {
  changesUrl: string
  deadLettersUrl: string
  timersUrl: string
  /** What the environment does not say: region, endpoint, credentials. */
  clientOptions?: SqsClientOptions
}

export interface Queues {
  changes: ChangesQueue
  timers: TimersQueue
  deadLetters: DeadLetters
  /** Ends the kept connections. */
  close(): void
}

/** The sending sides of our queues over one client. Cheap: the first send loads the SDK and connects. */
export function openQueues(options: QueuesOptions): Queues {
  const client = openSqsClient(options.clientOptions)
  return {
    changes: openChanges(client, options.changesUrl),
    timers: openTimers(client, options.timersUrl, Date.now),
    deadLetters: openDeadLetters(client, options.deadLettersUrl),
    close: () => client.close(),
  }
}
