import type { ChangesQueue, DeadLetters, TimersQueue } from './queue-ports.ts'
import { openChanges } from './sqs-changes.ts'
import { openSqsClient, type SqsClientOptions } from './sqs-client.ts'
import { openDeadLetters } from './sqs-dead-letters.ts'
import { openTimers } from './sqs-timers.ts'

export interface QueuesOptions {
  changesUrl: string
  deadLettersUrl: string
  timersUrl: string
  /** Region, endpoint and credentials. The SDK reads the environment for those that are missing. */
  clientOptions?: SqsClientOptions
}

export interface Queues {
  changes: ChangesQueue
  timers: TimersQueue
  deadLetters: DeadLetters
  /** Closes the open connections. */
  close(): void
}

/** Opens the sending sides of the operator's queues over one client. The first send loads the SDK and connects. */
export function openQueues(options: QueuesOptions): Queues {
  const client = openSqsClient(options.clientOptions)
  return {
    changes: openChanges(client, options.changesUrl),
    timers: openTimers(client, options.timersUrl, Date.now),
    deadLetters: openDeadLetters(client, options.deadLettersUrl),
    close: () => client.close(),
  }
}
