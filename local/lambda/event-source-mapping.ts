import { setTimeout as delay } from 'node:timers/promises'
import type { Context, SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda'
import { abandonAfter, sleep } from '../../lib/abort.ts'
import type { Receiver } from '../../lib/aws/receiver.ts'
import type { Log } from '../../lib/telemetry/log.ts'
import { lambdaContext } from './context.ts'

export interface MappingOptions {
  /** The function's name, for the context and the log. */
  name: string
  receiver: Receiver
  handler: (event: SQSEvent, context: Context) => Promise<SQSBatchResponse | undefined>
  /** Batches at once. This is Lambda's concurrency, which on a FIFO queue never exceeds the number of active groups. */
  workers: number
  /** The function's timeout. */
  timeoutMs: number
  /** Milliseconds that running batches have to end after `stopping`. */
  stopMs?: number
  /**
   * After `stopping`, a poll that runs is waited for, and its messages are handled. Otherwise it is broken off: a message
   * that the queue gives to a poll which nobody reads is hidden until its visibility timeout ends.
   */
  finishesPoll?: boolean
  log: Log
  /** Called in every round of the poll. Between two calls lie at most `longestRoundMs` and the timeout. */
  onRound?: () => void
}

/** Limit for acknowledging a batch, also after `stopping`. A batch that is not acknowledged is delivered again. */
const acknowledgeMs = 5_000
const firstPauseMs = 500
const longestPauseMs = 15_000

/** Milliseconds of a round without its batch: a poll with its retries, the pause after a failed one, the acknowledgement. */
export const longestRoundMs = 60_000 + longestPauseMs + acknowledgeMs

/**
 * Plays Lambda's event source mapping: polls, hands batches to the handler and deletes the messages that it handled. The
 * other messages stay hidden until their visibility timeout ends. A handler that throws, exceeds its timeout or names an
 * unknown message fails its whole batch. Resolves when the running batches are acknowledged after `stopping`, or
 * `stopMs` after it.
 */
export async function runMapping(options: MappingOptions, stopping: AbortSignal): Promise<void> {
  const availability = watchAvailability(options)
  const work = poll(options, availability, stopping)
  await abandonAfter(work, stopping, options.stopMs ?? 10_000).catch(thrown => {
    if (thrown !== stopping.reason) throw thrown
  })
  options.receiver.close()
}

/** Polls for all workers at once. With one poll per worker each message would wake every worker of the SQS stand-in. */
async function poll(
  options: MappingOptions,
  availability: Availability,
  stopping: AbortSignal,
): Promise<void> {
  const running = new Set<Promise<void>>()
  const breaksOff = options.finishesPoll ? new AbortController().signal : stopping
  let pauseMs = firstPauseMs
  while (!stopping.aborted) {
    options.onRound?.()
    try {
      const records = await options.receiver.receive(breaksOff)
      availability.back()
      pauseMs = firstPauseMs
      if (records.length === 0) continue
      const batch = runBatch(records, options).finally(() => running.delete(batch))
      running.add(batch)
    } catch (thrown) {
      if (stopping.aborted) break
      availability.away(thrown)
      await sleep(pauseMs, stopping)
      pauseMs = Math.min(pauseMs * 2, longestPauseMs)
    }
    while (running.size >= options.workers) await Promise.race(running)
  }
  await Promise.all(running)
}

async function runBatch(records: SQSRecord[], options: MappingOptions): Promise<void> {
  const failures = await failuresOf(records, options)
  try {
    await options.receiver.acknowledge(records, failures, AbortSignal.timeout(acknowledgeMs))
  } catch (thrown) {
    options.log.warn('batch not acknowledged, it comes again', { function: options.name, error: thrown })
  }
}

/** Runs the handler. @returns the ids of the messages that stay in the queue */
async function failuresOf(records: SQSRecord[], options: MappingOptions): Promise<Set<string>> {
  const ids = new Set(records.map(record => record.messageId))
  const { name, log, handler, timeoutMs } = options
  const timeout = new AbortController()
  try {
    const late = delay(timeoutMs, undefined, { signal: timeout.signal }).then(() => {
      throw new Error(`${name} exceeded its timeout of ${timeoutMs} ms`)
    })
    const response = await Promise.race([handler({ Records: records }, lambdaContext(name, timeoutMs)), late])
    const failed = (response?.batchItemFailures ?? []).map(failure => failure.itemIdentifier)
    const unknown = failed.filter(id => !ids.has(id))
    if (unknown.length > 0)
      throw new Error(`${name} reported messages that were not in its batch: ${unknown}`)
    return new Set(failed)
  } catch (thrown) {
    log.error('batch failed as a whole', { function: name, messages: ids.size, error: thrown })
    return ids
  } finally {
    timeout.abort()
  }
}

interface Availability {
  away(thrown: unknown): void
  back(): void
}

/** Logs once that the queue is away and once that it is back, however often the poll fails. */
function watchAvailability({ name, log }: MappingOptions): Availability {
  let isAway = false
  return {
    away(thrown) {
      if (!isAway) log.warn('queue cannot be read, trying again', { function: name, error: thrown })
      isAway = true
    },
    back() {
      if (isAway) log.info('queue can be read again', { function: name })
      isAway = false
    },
  }
}

/** A function that handles every message of its batch. */
export function withoutAnswer(
  handler: (event: SQSEvent, context: Context) => Promise<unknown>,
): MappingOptions['handler'] {
  return async (event, context) => {
    await handler(event, context)
    return undefined
  }
}
