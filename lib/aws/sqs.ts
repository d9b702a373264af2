import type { ChangesQueue, DeadLetters, Redelivery, SweepsQueue, TimersQueue } from './queue-ports.ts'
import { openRedelivery } from './redelivery.ts'
import { openChanges } from './sqs-changes.ts'
import { openSqsClient, type SqsClientOptions } from './sqs-client.ts'
import { openDeadLetters } from './sqs-dead-letters.ts'
import { openSweeps } from './sqs-sweeps.ts'
import { openTimers } from './sqs-timers.ts'

export interface QueuesOptions {
  changesUrl: string
  deadLettersUrl: string
  timersUrl: string
  /** Only the sweep has it. */
  sweepsUrl?: string
  /** Region, endpoint and credentials. The SDK reads the environment for those that are missing. */
  clientOptions?: SqsClientOptions
}

export interface Queues {
  changes: ChangesQueue
  timers: TimersQueue
  /** Every call fails if no URL was given. */
  sweeps: SweepsQueue
  deadLetters: DeadLetters
  /** For messages of changes.fifo. */
  changesRedelivery: Redelivery
  /** For messages of timers. */
  timersRedelivery: Redelivery
  /** Does what the first call would do before its request: loading the SDK takes a second where processors are short. */
  prepare(signal: AbortSignal): Promise<void>
  /** Closes the open connections. */
  close(): void
}

/** Opens the operator's queues over one client, except for receiving. The first call loads the SDK and connects. */
export function openQueues(options: QueuesOptions): Queues {
  const client = openSqsClient(options.clientOptions)
  return {
    changes: openChanges(client, options.changesUrl),
    timers: openTimers(client, options.timersUrl, Date.now),
    sweeps: openSweeps(client, options.sweepsUrl ?? ''),
    deadLetters: openDeadLetters(client, options.deadLettersUrl),
    changesRedelivery: openRedelivery(client, options.changesUrl),
    timersRedelivery: openRedelivery(client, options.timersUrl),
    prepare: client.prepare,
    close: () => client.close(),
  }
}
