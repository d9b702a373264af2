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
  /** Batches at once: Lambda's concurrency, which on a FIFO queue never exceeds the active groups. */
  workers: number
  /** The function's timeout. */
  timeoutMs: number
  /** How long running batches may take once we are asked to stop. */
  stopMs?: number
  log: Log
}

/** A batch that was worked on is settled whatever comes; a batch that cannot be is delivered again. */
const settleMs = 5_000
const firstPauseMs = 500
const longestPauseMs = 15_000

/**
 * Plays Lambda's event source mapping: long polls, hands batches to the handler, deletes what it acknowledged and leaves
 * the rest hidden until its visibility ends. A handler that throws, overruns its timeout or names an unknown message
 * fails its whole batch. Resolves when `stopping` has come and the running batches are settled, or `stopMs` after it.
 */
export async function runMapping(options: MappingOptions, stopping: AbortSignal): Promise<void> {
  const availability = watchAvailability(options)
  const work = poll(options, availability, stopping)
  await abandonAfter(work, stopping, options.stopMs ?? 10_000).catch(thrown => {
    if (thrown !== stopping.reason) throw thrown
  })
  options.receiver.close()
}

/** One poll for all workers: of several that wait, each message would wake all, most of them for nothing. */
async function poll(
  options: MappingOptions,
  availability: Availability,
  stopping: AbortSignal,
): Promise<void> {
  const running = new Set<Promise<void>>()
  let pauseMs = firstPauseMs
  while (!stopping.aborted) {
    try {
      const records = await options.receiver.receive(stopping)
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
    await options.receiver.acknowledge(records, failures, AbortSignal.timeout(settleMs))
  } catch (thrown) {
    options.log.warn('batch not settled, it comes again', { function: options.name, error: thrown })
  }
}

/** Message ids that stay in the queue. */
async function failuresOf(records: SQSRecord[], options: MappingOptions): Promise<Set<string>> {
  const ids = new Set(records.map(record => record.messageId))
  const { name, log, handler, timeoutMs } = options
  const timeout = new AbortController()
  try {
    const late = delay(timeoutMs, undefined, { signal: timeout.signal }).then(() => {
      throw new Error(`${name} took longer than its ${timeoutMs} ms`)
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

/** Says once that the queue is away and once that it is back, whatever the number of tries. */
function watchAvailability({ name, log }: MappingOptions): Availability {
  let isAway = false
  return {
    away(thrown) {
      if (!isAway) log.warn('queue away, trying on', { function: name, error: thrown })
      isAway = true
    },
    back() {
      if (isAway) log.info('queue is back', { function: name })
      isAway = false
    },
  }
}
